#include <cohort/runtime/config.hpp>

#include <algorithm>
#include <set>

#include <cohort/runtime/detail/config_text.hpp>

namespace cohort {
namespace {

constexpr std::string_view variable_prefix = "COHORT_";
constexpr std::string_view file_variable = "COHORT_CONFIG";

std::string variable_of(std::string_view name) {
    auto variable = std::string{variable_prefix};
    for (char letter : name) {
        auto lower = letter >= 'a' && letter <= 'z';
        auto plain = lower || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9');
        variable += lower ? static_cast<char>(letter - 'a' + 'A') : plain ? letter : '_';
    }
    return variable;
}

/// Reads the sources in rising order into one `config` and collects what is wrong with them.
class config_loader {
public:
    config_loader(const config_schema& schema, const config_sources& sources)
        : schema_{schema}, sources_{sources}, outcome_{config{schema}, {}, {}, {}} {}

    config_outcome run() {
        read_arguments();  // first, because they name the file; what they set is applied last
        if (outcome_.help) {
            return std::move(outcome_);
        }
        read_file();
        read_environment();
        for (auto& [name, value, origin] : flags_) {
            outcome_.values.set(name, std::move(value), std::move(origin));
        }
        return std::move(outcome_);
    }

private:
    struct flag_value {
        std::string name;
        config_value value;
        std::string origin;
    };

    void read_arguments() {
        const auto& arguments = sources_.arguments;
        auto only_positionals = false;
        for (auto at = std::size_t{0}; at < arguments.size(); ++at) {
            auto argument = std::string_view{arguments[at]};
            if (only_positionals || !argument.starts_with("-") || argument == "-") {
                read_positional(argument);
            } else if (argument == "--") {
                only_positionals = true;
            } else {
                at += read_flag(argument, at + 1 < arguments.size() ? &arguments[at + 1] : nullptr);
            }
        }
    }

    void read_positional(std::string_view argument) {
        if (outcome_.positionals.size() == sources_.positional_max) {
            problem(detail::printable(argument) + ": unexpected argument (options start with --)");
            return;
        }
        outcome_.positionals.emplace_back(argument);
    }

    /// Returns how many of the following arguments were its value.
    std::size_t read_flag(std::string_view argument, const std::string* next) {
        auto equals = argument.find('=');
        auto flag = std::string{argument.substr(0, equals)};
        auto has_value = equals != argument.npos;
        if (!has_value && (flag == "--help" || flag == "-h")) {
            outcome_.help = true;
            return 0;
        }
        if (!has_value && flag == "--print-config") {
            outcome_.print_config = true;
            return 0;
        }
        const auto* option = flag == "--config" ? nullptr : find_flag(flag);
        if (option == nullptr && flag != "--config") {
            unknown(detail::printable(flag), flag, known_flags());
            // A value that follows belongs to the unknown flag; it is not a mistake of its own.
            return !has_value && next != nullptr && !next->starts_with("-") ? 1 : 0;
        }
        auto text = std::string{};
        auto used = std::size_t{0};
        if (has_value) {
            text = argument.substr(equals + 1);
        } else if (option != nullptr && option->kind == config_kind::flag) {
            text = "true";
        } else if (next == nullptr || next->starts_with("--")) {
            problem(flag + ": a value is missing");
            return 0;
        } else {
            text = *next;
            used = 1;
        }
        if (option == nullptr) {
            file_ = text;
        } else if (auto value = parsed(*option, text, flag)) {
            flags_.push_back({option->name, std::move(*value), "flag " + flag});
        }
        return used;
    }

    const config_option* find_flag(const std::string& flag) {
        for (const auto& option : schema_.options()) {
            if (flag == "--" + option.name ||
                (!option.flag.empty() && flag == "--" + option.flag)) {
                return &option;
            }
            for (const auto& former : option.former_names) {
                if (flag == "--" + former) {
                    renamed(flag, "--" + option.name);
                    return &option;
                }
            }
        }
        return nullptr;
    }

    void read_file() {
        auto named = sources_.environment.find(std::string{file_variable});
        if (!file_ && named != sources_.environment.end() && !named->second.empty()) {
            file_ = named->second;
        }
        if (!file_) {
            return;
        }
        auto shown = detail::printable(*file_);
        auto content =
            sources_.read_file
                ? sources_.read_file(*file_, detail::config_file_bytes_max)
                : result<std::string>{error{errc::unsupported, "no files in this world"}};
        if (!content) {
            problem(shown + ": cannot read the file: " + content.error().message());
            return;
        }
        auto found = std::vector<std::string>{};
        for (const auto& entry : detail::parse_config_file(*content, found)) {
            read_entry(shown, entry);
        }
        for (const auto& each : found) {
            problem(shown + ":" + each);
        }
    }

    void read_entry(const std::string& file, const detail::config_file_entry& entry) {
        auto where = file + ":" + entry.where;
        auto label = where + ": " + detail::printable(entry.name);
        const auto* option = find_name(entry.name, label);
        if (option == nullptr) {
            unknown(label, entry.name, known_names());
            return;
        }
        // The new name wins over a former one, wherever the two stand in the file.
        auto is_former = option->name != entry.name;
        if (is_former && in_file_.contains(option->name)) {
            return;
        }
        if (entry.is_list && option->kind == config_kind::list) {
            outcome_.values.set(option->name, entry.list, "file " + where);
        } else if (entry.is_list) {
            problem(label + ": a list is not expected here");
            return;
        } else if (auto value = parsed(*option, entry.text, label)) {
            outcome_.values.set(option->name, std::move(*value), "file " + where);
        }
        if (!is_former) {
            in_file_.insert(option->name);
        }
    }

    const config_option* find_name(const std::string& name, const std::string& label) {
        for (const auto& option : schema_.options()) {
            if (option.name == name) {
                return &option;
            }
            if (std::find(option.former_names.begin(), option.former_names.end(), name) !=
                option.former_names.end()) {
                renamed(label, option.name);
                return &option;
            }
        }
        return nullptr;
    }

    void read_environment() {
        auto known = std::set<std::string>{std::string{file_variable}};
        for (const auto& option : schema_.options()) {
            // From weak to strong: former names, aliases from last to first, the option's own
            // variable.
            auto variables = std::vector<std::string>{};
            for (const auto& former : option.former_names) {
                variables.push_back(variable_of(former));
                if (sources_.environment.contains(variables.back())) {
                    renamed(variables.back(), option.variable());
                }
            }
            variables.insert(variables.end(), option.environment.rbegin(),
                             option.environment.rend());
            variables.push_back(option.variable());
            for (const auto& variable : variables) {
                known.insert(variable);
                auto found = sources_.environment.find(variable);
                if (found == sources_.environment.end()) {
                    continue;
                }
                if (auto value = parsed(option, found->second, variable)) {
                    outcome_.values.set(option.name, std::move(*value), "environment " + variable);
                }
            }
        }
        for (const auto& [variable, value] : sources_.environment) {
            if (variable.starts_with(variable_prefix) && !known.contains(variable)) {
                unknown(detail::printable(variable), variable, {known.begin(), known.end()});
            }
        }
    }

    std::optional<config_value> parsed(const config_option& option, const std::string& text,
                                       const std::string& label) {
        auto value = detail::parse_config_value(option, text);
        if (value) {
            return std::move(*value);
        }
        problem(label + ": " +
                (option.secret ? "the value is not valid" : std::string{value.error().text()}));
        return std::nullopt;
    }

    std::vector<std::string> known_names() const {
        auto names = std::vector<std::string>{};
        for (const auto& option : schema_.options()) {
            names.push_back(option.name);
        }
        return names;
    }

    std::vector<std::string> known_flags() const {
        auto names = std::vector<std::string>{"--help", "--config", "--print-config"};
        for (const auto& option : schema_.options()) {
            names.push_back("--" + option.name);
            if (!option.flag.empty()) {
                names.push_back("--" + option.flag);
            }
        }
        return names;
    }

    void unknown(const std::string& label, std::string_view name,
                 const std::vector<std::string>& candidates) {
        auto nearest = detail::nearest_name(name, candidates);
        problem(label + ": no such option" +
                (nearest.empty() ? "" : " (did you mean " + std::string{nearest} + "?)"));
    }
    void renamed(const std::string& label, const std::string& name) {
        outcome_.warnings.push_back(label + ": renamed, write " + name);
    }
    void problem(std::string line) { outcome_.problems.push_back(std::move(line)); }

    const config_schema& schema_;
    const config_sources& sources_;
    config_outcome outcome_;
    std::optional<std::string> file_;
    std::vector<flag_value> flags_;
    std::set<std::string> in_file_;
};

}  // namespace

std::string config_option::variable() const { return variable_of(name); }

void config_schema::add(config_option option) {
    for (const auto& other : options_) {
        COHORT_ASSERT(other.name != option.name && other.variable() != option.variable(),
                      "two options have the same name or variable");
        COHORT_ASSERT(
            option.flag.empty() || (other.flag != option.flag && other.name != option.flag),
            "two options have the same flag");
    }
    if (option.kind == config_kind::integer || option.kind == config_kind::duration ||
        option.kind == config_kind::size) {
        auto fallback = std::get<std::int64_t>(option.fallback);
        COHORT_ASSERT(fallback >= option.min && fallback <= option.max,
                      "the default of an option lies in its range");
    }
    options_.push_back(std::move(option));
}

std::string config_schema::help() const {
    auto text = std::string{
        "  --config FILE\n      JSON file with options [COHORT_CONFIG]\n"
        "  --print-config\n      print every option, its value and where it came from\n"
        "  --help\n      print this\n"};
    for (const auto& option : options_) {
        text += "  --" + option.name;
        if (!option.flag.empty()) {
            text += ", --" + option.flag;
        }
        auto fallback = option.secret ? "" : detail::print_config_value(option, option.fallback);
        text += "\n      " + option.help + (fallback.empty() ? "" : " (default " + fallback + ")");
        if (option.kind == config_kind::choice) {
            auto names = std::string{};
            for (const auto& [name, value] : option.choices) {
                names += names.empty() ? name : ", " + name;
            }
            text += " (one of " + names + ")";
        }
        text += " [" + option.variable();
        for (const auto& variable : option.environment) {
            text += ", " + variable;
        }
        text += "]\n";
    }
    return text;
}

config::config(const config_schema& schema) {
    for (const auto& option : schema.options()) {
        entries_.emplace(option.name, entry{option, option.fallback, "default"});
    }
}

const config::entry& config::find(std::string_view name) const {
    auto found = entries_.find(name);
    COHORT_ASSERT(found != entries_.end(), "an option is declared before it is read");
    return found->second;
}

void config::set(std::string_view name, config_value value, std::string origin) {
    auto found = entries_.find(name);
    COHORT_ASSERT(found != entries_.end(), "an option is declared before it is set");
    COHORT_ASSERT(found->second.value.index() == value.index(), "an option keeps its type");
    found->second.value = std::move(value);
    found->second.origin = std::move(origin);
}

std::string config::print() const {
    auto text = std::string{};
    for (const auto& [name, each] : entries_) {
        auto value = detail::print_config_value(each.option, each.value);
        if (each.option.secret && !value.empty()) {
            value = "****";
        }
        // Whole, however long: three seeds alone are more than what a complaint quotes.
        text += name + " = " + detail::printable(value, value.size()) + "  # " + each.origin + "\n";
    }
    return text;
}

config_outcome load_config(const config_schema& schema, const config_sources& sources) {
    return config_loader{schema, sources}.run();
}

}  // namespace cohort
