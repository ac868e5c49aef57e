#include <cohort/http/caching.hpp>

#include <algorithm>

namespace cohort {
namespace {

std::string_view trim(std::string_view text) noexcept {
    auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string_view opaque(std::string_view tag) noexcept {
    return tag.starts_with("W/") ? tag.substr(2) : tag;
}

/// One `If-None-Match` value: `*`, or tags between commas, which may stand inside of a tag too.
bool list_names(std::string_view list, std::string_view tag) noexcept {
    list = trim(list);
    if (list == "*") {
        return true;
    }
    while (!list.empty()) {
        if (list.front() == ',') {
            list = trim(list.substr(1));
            continue;
        }
        auto item = opaque(list);
        auto close = item.starts_with('"') ? item.find('"', 1) : std::string_view::npos;
        if (close == std::string_view::npos) {
            return false;
        }
        if (item.substr(0, close + 1) == opaque(tag)) {
            return true;
        }
        list = trim(item.substr(close + 1));
        if (!list.empty() && list.front() != ',') {
            return false;
        }
    }
    return false;
}

/// A structured-field item (RFC 8941): a token where the node's name is one, else a string.
void append_item(std::string& out, std::string_view text) {
    auto alpha = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    auto token_tail = [&](char c) {
        return alpha(c) || (c >= '0' && c <= '9') ||
               (c != '\0' &&
                std::string_view{"!#$%&'*+-.^_`|~:/"}.find(c) != std::string_view::npos);
    };
    if (!text.empty() && (alpha(text.front()) || text.front() == '*') &&
        std::all_of(text.begin(), text.end(), token_tail)) {
        out.append(text);
        return;
    }
    out.push_back('"');
    for (auto character : text) {
        if (character == '"' || character == '\\') {
            out.push_back('\\');
        }
        out.push_back(character >= 0x20 && character < 0x7f ? character : '?');
    }
    out.push_back('"');
}

std::string cache_status(std::string_view what, std::string_view node) {
    auto out = std::string{};
    out.reserve(what.size() + node.size() + 12);
    out.append("cohort; ").append(what).append("; detail=");
    append_item(out, node);
    return out;
}

}  // namespace

number_value etag(std::uint64_t version) { return number_value::quoted(version); }

bool matches_etag(const request& incoming, std::string_view tag) {
    auto found = false;
    incoming.each_header("If-None-Match",
                         [&](std::string_view list) { found = found || list_names(list, tag); });
    return found;
}

number_value age(duration since_stored) {
    auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_stored).count();
    return number_value::decimal(static_cast<std::uint64_t>(std::max<std::int64_t>(seconds, 0)));
}

std::string cache_hit(std::string_view node) { return cache_status("hit", node); }

std::string cache_miss(std::string_view node, bool stored) {
    return cache_status(stored ? "fwd=miss; stored" : "fwd=miss", node);
}

}  // namespace cohort
