#include <distributed-cache/import_formats.hpp>

#include <fmt/format.h>
#include <simdjson.h>

#include <optional>

namespace cohort {
namespace {

static_assert(line_splitter::padding >= simdjson::SIMDJSON_PADDING);

constexpr std::string_view white_space = " \t\r";

std::string_view trim(std::string_view text) {
    auto first = text.find_first_not_of(white_space);
    if (first == text.npos) {
        return {};
    }
    return text.substr(first, text.find_last_not_of(white_space) - first + 1);
}

import_refusal refuse_long_line(const input_line& line) {
    return {line.number, "the line is longer than the limit"};
}

/// Every line is parsed twice: the document parser checks all of it (the on-demand parser skips
/// what it is not asked for, so broken JSON inside a value would pass), the on-demand parser knows
/// where a value stands in the text.
class ndjson final : public import_format {
public:
    import_item take(const input_line& line) override {
        if (line.too_long) {
            return refuse_long_line(line);
        }
        if (trim(line.text).empty()) {
            return {};
        }
        auto whole = simdjson::dom::element{};
        auto failed = checker_.parse(line.text.data(), line.text.size(), false).get(whole);
        if (failed != simdjson::SUCCESS) {
            return import_refusal{line.number, fmt::format("no JSON: {}", error_message(failed))};
        }
        if (!whole.is_object()) {
            return import_refusal{line.number, R"(no object: write {"key": "...", "value": ...})"};
        }
        key_.reset();
        content_.reset();
        if (auto reason = read(line.text); !reason.empty()) {
            return import_refusal{line.number, std::move(reason)};
        }
        return import_record{line.number, *key_, *content_};
    }

    import_item finish() override { return {}; }

private:
    /// The reason to refuse the object, empty when it is fine.
    std::string read(std::string_view text) {
        auto document = simdjson::ondemand::document{};
        auto object = simdjson::ondemand::object{};
        auto input = simdjson::padded_string_view{text.data(), text.size(),
                                                  text.size() + line_splitter::padding};
        if (reader_.iterate(input).get(document) != simdjson::SUCCESS ||
            document.get_object().get(object) != simdjson::SUCCESS) {
            return "no object";
        }
        for (auto member : object) {
            auto name = std::string_view{};
            auto value = simdjson::ondemand::value{};
            if (member.unescaped_key().get(name) != simdjson::SUCCESS ||
                member.value().get(value) != simdjson::SUCCESS) {
                return "a member cannot be read";
            }
            auto* target = name == "key" ? &key_ : name == "value" ? &content_ : nullptr;
            if (target == nullptr) {
                return fmt::format("unknown member \"{}\"", name);
            }
            if (target->has_value()) {
                return fmt::format("member \"{}\" stands twice", name);
            }
            *target = text_of(value, target == &content_);
            if (!target->has_value()) {
                return fmt::format("member \"{}\" must be a string", name);
            }
        }
        return !key_       ? R"(member "key" is missing)"
               : !content_ ? R"(member "value" is missing)"
                           : "";
    }

    static std::optional<std::string> text_of(simdjson::ondemand::value& value, bool any_type) {
        auto type = simdjson::ondemand::json_type{};
        auto text = std::string_view{};
        if (value.type().get(type) != simdjson::SUCCESS) {
            return std::nullopt;
        }
        auto failed = simdjson::SUCCESS;
        if (type == simdjson::ondemand::json_type::string) {
            failed = value.get_string().get(text);
        } else if (!any_type) {
            return std::nullopt;
        } else if (type == simdjson::ondemand::json_type::object) {
            auto object = simdjson::ondemand::object{};
            failed = value.get_object().get(object);
            failed = failed != simdjson::SUCCESS ? failed : object.raw_json().get(text);
        } else if (type == simdjson::ondemand::json_type::array) {
            auto array = simdjson::ondemand::array{};
            failed = value.get_array().get(array);
            failed = failed != simdjson::SUCCESS ? failed : array.raw_json().get(text);
        } else {
            text = value.raw_json_token();
            // Reading it moves the parser behind it; the document parser has checked it already.
            failed = type == simdjson::ondemand::json_type::null      ? simdjson::SUCCESS
                     : type == simdjson::ondemand::json_type::boolean ? value.get_bool().error()
                                                                      : value.get_double().error();
            if (type == simdjson::ondemand::json_type::null && !value.is_null()) {
                return std::nullopt;
            }
        }
        if (failed != simdjson::SUCCESS) {
            return std::nullopt;
        }
        return std::string{type == simdjson::ondemand::json_type::string ? text : trim(text)};
    }

    simdjson::dom::parser checker_;
    simdjson::ondemand::parser reader_;
    std::optional<std::string> key_;
    std::optional<std::string> content_;
};

bool is_package_field(std::string_view name) {
    constexpr std::string_view wanted = "package";
    // Field names of Debian's control files ignore case.
    return name.size() == wanted.size() &&
           std::equal(name.begin(), name.end(), wanted.begin(), [](char found, char lower) {
               return static_cast<char>(static_cast<unsigned char>(found) | 0x20U) == lower;
           });
}

class dumpavail final : public import_format {
public:
    explicit dumpavail(std::size_t stanza_bytes_max) : stanza_bytes_max_{stanza_bytes_max} {}

    import_item take(const input_line& line) override {
        auto text =
            line.text.ends_with('\r') ? line.text.substr(0, line.text.size() - 1) : line.text;
        if (!line.too_long && trim(text).empty()) {
            return finish();
        }
        if (complete_) {
            stanza_.clear();
            package_.clear();
            reason_.clear();
            first_line_ = line.number;
            complete_ = false;
        }
        if (!reason_.empty()) {
            return {};
        }
        if (line.too_long || stanza_.size() + text.size() + 1 > stanza_bytes_max_) {
            reason_ = "the stanza is longer than the limit";
            return {};
        }
        read_field(line.number, text);
        stanza_.append(text).push_back('\n');
        return {};
    }

    import_item finish() override {
        if (complete_) {
            return {};
        }
        complete_ = true;
        if (reason_.empty() && package_.empty()) {
            reason_ = "the stanza has no field \"Package\"";
        }
        if (!reason_.empty()) {
            return import_refusal{first_line_, reason_};
        }
        return import_record{first_line_, package_, stanza_};
    }

private:
    void read_field(std::uint64_t number, std::string_view text) {
        if (text.front() == ' ' || text.front() == '\t') {
            if (stanza_.empty()) {
                reason_ = "the stanza begins with a continuation line";
            }
            return;
        }
        auto colon = text.find(':');
        if (colon == text.npos || colon == 0) {
            reason_ = fmt::format("line {} is no \"Name: value\"", number);
        } else if (is_package_field(text.substr(0, colon))) {
            if (!package_.empty()) {
                reason_ = fmt::format("line {} names a second package", number);
            }
            package_ = trim(text.substr(colon + 1));
        }
    }

    std::size_t stanza_bytes_max_;
    std::string stanza_;
    std::string package_;
    std::string reason_;
    std::uint64_t first_line_ = 0;
    bool complete_ = true;
};

}  // namespace

std::unique_ptr<import_format> ndjson_format() { return std::make_unique<ndjson>(); }

std::unique_ptr<import_format> dumpavail_format(std::size_t stanza_bytes_max) {
    return std::make_unique<dumpavail>(stanza_bytes_max);
}

result<std::unique_ptr<import_format>> make_import_format(std::string_view name,
                                                          std::size_t record_bytes_max) {
    if (name == "ndjson") {
        return ndjson_format();
    }
    if (name == "dumpavail") {
        return dumpavail_format(record_bytes_max);
    }
    return error{errc::invalid, fmt::format("unknown format \"{}\": ndjson or dumpavail", name)};
}

}  // namespace cohort
