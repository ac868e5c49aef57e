#include <cohort/runtime/detail/config_text.hpp>

#include <algorithm>
#include <set>

#include <simdjson.h>

namespace cohort::detail {
namespace {

namespace json = simdjson::ondemand;

class file_walker {
public:
    file_walker(const simdjson::padded_string& content, std::vector<std::string>& problems)
        : begin_{content.data()}, size_{content.size()}, problems_{problems} {}

    /// False when the syntax is bad; then `position` of the document tells where.
    [[nodiscard]] bool walk(json::document& document) {
        auto top = json::object{};
        auto kind = json::json_type{};
        if (document.type().get(kind) != simdjson::SUCCESS) {
            return false;
        }
        if (kind != json::json_type::object) {
            problems_.push_back("1:1: the file is not a JSON object");
            return true;
        }
        return document.get_object().get(top) == simdjson::SUCCESS && walk_object(top, "", 1);
    }

    [[nodiscard]] std::string position(const char* at) const {
        auto offset = std::min(static_cast<std::size_t>(at - begin_), size_);
        auto before = std::string_view{begin_, offset};
        auto line = 1 + std::count(before.begin(), before.end(), '\n');
        auto column = offset - (before.rfind('\n') == before.npos ? 0 : before.rfind('\n') + 1) + 1;
        return std::to_string(line) + ":" + std::to_string(column);
    }

    std::vector<config_file_entry> entries;

private:
    bool walk_object(json::object& object, const std::string& prefix, unsigned depth) {
        for (auto each : object) {
            auto field = json::field{};
            auto key = std::string_view{};
            if (std::move(each).get(field) != simdjson::SUCCESS) {
                return false;
            }
            auto where = position(field.key().raw() - 1);  // the quote in front of it
            if (field.unescaped_key().get(key) != simdjson::SUCCESS) {
                return false;
            }
            auto name = prefix.empty() ? std::string{key} : prefix + "." + std::string{key};
            if (!walk_value(field.value(), name, where, depth)) {
                return false;
            }
        }
        return true;
    }

    bool walk_value(json::value& value, const std::string& name, const std::string& where,
                    unsigned depth) {
        auto kind = json::json_type{};
        if (value.type().get(kind) != simdjson::SUCCESS) {
            return false;
        }
        if (kind == json::json_type::object) {
            auto inner = json::object{};
            if (depth == config_depth_max) {
                problems_.push_back(where + ": " + printable(name) +
                                    ": objects are nested too deeply");
                return true;
            }
            return value.get_object().get(inner) == simdjson::SUCCESS &&
                   walk_object(inner, name, depth + 1);
        }
        if (!names_.insert(name).second) {
            problems_.push_back(where + ": " + printable(name) + ": the key occurs twice");
        }
        auto entry = config_file_entry{name, where, false, {}, {}};
        if (kind == json::json_type::array) {
            auto array = json::array{};
            if (value.get_array().get(array) != simdjson::SUCCESS || !walk_array(array, entry)) {
                return false;
            }
        } else if (kind == json::json_type::null) {
            problems_.push_back(where + ": " + printable(name) +
                                ": null is not a value: leave the key out");
            return true;
        } else if (!read_scalar(value, kind, entry.text)) {
            return false;
        }
        entries.push_back(std::move(entry));
        return true;
    }

    bool walk_array(json::array& array, config_file_entry& entry) {
        entry.is_list = true;
        for (auto each : array) {
            auto value = json::value{};
            auto kind = json::json_type{};
            if (std::move(each).get(value) != simdjson::SUCCESS ||
                value.type().get(kind) != simdjson::SUCCESS) {
                return false;
            }
            if (kind == json::json_type::object || kind == json::json_type::array ||
                kind == json::json_type::null) {
                problems_.push_back(entry.where + ": " + printable(entry.name) +
                                    ": a list holds only texts and numbers");
                continue;
            }
            if (!read_scalar(value, kind, entry.list.emplace_back())) {
                return false;
            }
        }
        return true;
    }

    static bool read_scalar(json::value& value, json::json_type kind, std::string& text) {
        auto content = std::string_view{};
        if (kind == json::json_type::string) {
            if (value.get_string().get(content) != simdjson::SUCCESS) {
                return false;
            }
        } else {
            content = value.raw_json_token();
            while (!content.empty() && (content.back() == ' ' || content.back() == '\n' ||
                                        content.back() == '\r' || content.back() == '\t')) {
                content.remove_suffix(1);
            }
            // The token is not consumed by looking at it.
            auto flag = false;
            auto number = double{};
            auto failure = kind == json::json_type::boolean ? value.get_bool().get(flag)
                                                            : value.get_double().get(number);
            if (failure != simdjson::SUCCESS) {
                return false;
            }
        }
        text = content;
        return true;
    }

    const char* begin_;
    std::size_t size_;
    std::vector<std::string>& problems_;
    std::set<std::string> names_;
};

}  // namespace

std::vector<config_file_entry> parse_config_file(std::string_view content,
                                                 std::vector<std::string>& problems) {
    if (content.size() > config_file_bytes_max) {
        problems.push_back("1:1: the file is longer than 1 MiB");
        return {};
    }
    auto padded = simdjson::padded_string{content};
    // The DOM parser judges the whole document; the on-demand parser, which does not look at what
    // it is not asked for, knows positions.
    auto judge = simdjson::dom::parser{};
    auto tree = simdjson::dom::element{};
    auto verdict = judge.parse(padded).get(tree);

    auto found = std::vector<std::string>{};
    auto walker = file_walker{padded, found};
    auto parser = json::parser{};
    auto document = json::document{};
    auto failure = parser.iterate(padded).get(document);
    auto walked = failure == simdjson::SUCCESS && walker.walk(document);
    if (verdict == simdjson::SUCCESS && walked) {
        problems.insert(problems.end(), found.begin(), found.end());
        return std::move(walker.entries);
    }
    const char* at = nullptr;
    auto where = std::string{"1:1"};
    if (failure == simdjson::SUCCESS && !walked &&
        document.current_location().get(at) == simdjson::SUCCESS) {
        where = walker.position(at);
    }
    auto why = verdict != simdjson::SUCCESS ? simdjson::error_message(verdict)
                                            : "the document has an unexpected shape";
    problems.push_back(where + ": not valid JSON: " + printable(why));
    return {};
}

}  // namespace cohort::detail
