#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <cohort/world/assert.hpp>
#include <cohort/world/result.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

/// A number of bytes, written as `16KiB`, `2MiB`, `64kB` or `512`.
struct byte_size {
    std::int64_t bytes = 0;
    auto operator<=>(const byte_size&) const = default;
};

/// One option: declared once, as a constant, by the module or the app that reads it.
///
///     inline const config_key<std::uint16_t> http_port{
///         .name = "http.port", .fallback = 9000, .help = "port of the HTTP server",
///         .min = 1, .flag = "port", .environment = {"PORT"}};
///
/// `T` is bool, an integer, an enumeration (with `choices`), `duration`, `byte_size`, `std::string`
/// or `std::vector<std::string>`. The option is set by `--http.port 9000`, `--http.port=9000`,
/// `--port 9000`, `COHORT_HTTP_PORT=9000`, `PORT=9000`, or `{"http": {"port": 9000}}` in the file.
template <class T>
struct config_key {
    std::string name;
    T fallback{};
    std::string help;
    std::optional<T> min{};                            ///< of integers, durations and sizes
    std::optional<T> max{};                            ///< of integers, durations and sizes
    std::vector<std::pair<std::string, T>> choices{};  ///< of enumerations
    std::string flag{};                       ///< a second, short name for the command line
    std::vector<std::string> environment{};   ///< further variables, asked in this order
    std::vector<std::string> former_names{};  ///< still accepted, with a warning
    bool secret = false;                      ///< never printed
};

enum class config_kind : std::uint8_t { flag, integer, choice, duration, size, text, list };

/// Numbers, durations (nanoseconds), sizes (bytes) and enumerators are kept as integers.
using config_value = std::variant<bool, std::int64_t, std::string, std::vector<std::string>>;

/// A `config_key` without its type.
struct config_option {
    std::string name;
    std::string help;
    config_kind kind = config_kind::text;
    config_value fallback;
    std::int64_t min = std::numeric_limits<std::int64_t>::min();
    std::int64_t max = std::numeric_limits<std::int64_t>::max();
    std::vector<std::pair<std::string, std::int64_t>> choices;
    std::string flag;
    std::vector<std::string> environment;
    std::vector<std::string> former_names;
    bool secret = false;

    /// `COHORT_HTTP_PORT` for `http.port`.
    [[nodiscard]] std::string variable() const;
};

namespace detail {

template <class T>
consteval config_kind kind_of() {
    if constexpr (std::is_same_v<T, bool>) {
        return config_kind::flag;
    } else if constexpr (std::is_integral_v<T>) {
        return config_kind::integer;
    } else if constexpr (std::is_enum_v<T>) {
        return config_kind::choice;
    } else if constexpr (std::is_same_v<T, duration>) {
        return config_kind::duration;
    } else if constexpr (std::is_same_v<T, byte_size>) {
        return config_kind::size;
    } else if constexpr (std::is_same_v<T, std::string>) {
        return config_kind::text;
    } else {
        static_assert(std::is_same_v<T, std::vector<std::string>>,
                      "an option is a bool, an integer, an enumeration, a cohort::duration, a "
                      "cohort::byte_size, a std::string or a std::vector<std::string>");
        return config_kind::list;
    }
}

template <class T>
config_value erase_value(const T& value) {
    if constexpr (std::is_same_v<T, duration>) {
        return std::int64_t{value.count()};
    } else if constexpr (std::is_same_v<T, byte_size>) {
        return value.bytes;
    } else if constexpr (!std::is_same_v<T, bool> && (std::is_integral_v<T> || std::is_enum_v<T>)) {
        return static_cast<std::int64_t>(value);
    } else {
        return value;
    }
}

template <class T>
T typed_value(const config_value& value) {
    if constexpr (std::is_same_v<T, duration>) {
        return duration{std::get<std::int64_t>(value)};
    } else if constexpr (std::is_same_v<T, byte_size>) {
        return byte_size{std::get<std::int64_t>(value)};
    } else if constexpr (!std::is_same_v<T, bool> && (std::is_integral_v<T> || std::is_enum_v<T>)) {
        return static_cast<T>(std::get<std::int64_t>(value));
    } else {
        return std::get<T>(value);
    }
}

template <class T>
config_option erase_key(const config_key<T>& key) {
    auto option = config_option{.name = key.name,
                                .help = key.help,
                                .kind = kind_of<T>(),
                                .fallback = erase_value(key.fallback),
                                .choices = {},
                                .flag = key.flag,
                                .environment = key.environment,
                                .former_names = key.former_names,
                                .secret = key.secret};
    constexpr auto kind = kind_of<T>();
    if constexpr (kind == config_kind::integer || kind == config_kind::duration ||
                  kind == config_kind::size) {
        if constexpr (kind == config_kind::integer) {
            option.min = std::in_range<std::int64_t>(std::numeric_limits<T>::min())
                             ? static_cast<std::int64_t>(std::numeric_limits<T>::min())
                             : option.min;
            option.max = std::in_range<std::int64_t>(std::numeric_limits<T>::max())
                             ? static_cast<std::int64_t>(std::numeric_limits<T>::max())
                             : option.max;
        } else {
            option.min = 0;
        }
        option.min = key.min ? std::get<std::int64_t>(erase_value(*key.min)) : option.min;
        option.max = key.max ? std::get<std::int64_t>(erase_value(*key.max)) : option.max;
    } else {
        COHORT_ASSERT(!key.min && !key.max, "an option that is not a number has no range");
    }
    if constexpr (kind == config_kind::choice) {
        COHORT_ASSERT(!key.choices.empty(), "an enumeration needs the names of its choices");
        for (const auto& [name, value] : key.choices) {
            option.choices.emplace_back(name, static_cast<std::int64_t>(value));
        }
    }
    return option;
}

}  // namespace detail

/// The options of a program, in the order in which modules and the app declared them.
class config_schema {
public:
    template <class T>
    void add(const config_key<T>& key) {
        add(detail::erase_key(key));
    }
    /// Two options that share a name, a flag or a variable are a mistake in the program: asserted.
    void add(config_option option);

    [[nodiscard]] const std::vector<config_option>& options() const noexcept { return options_; }

    /// What `--help` prints below the program's own lines.
    [[nodiscard]] std::string help() const;

private:
    std::vector<config_option> options_;
};

/// The effective values, each with where it came from. A value: copy it where it is needed.
class config {
public:
    /// The defaults.
    explicit config(const config_schema& schema);

    /// The option must have been declared (asserted).
    template <class T>
    [[nodiscard]] T get(const config_key<T>& key) const {
        return detail::typed_value<T>(find(key.name).value);
    }
    /// `default`, `file app.json:3:5`, `environment PORT`, `flag --port` or `code`.
    [[nodiscard]] const std::string& origin(std::string_view name) const {
        return find(name).origin;
    }

    /// For programs and tests that decide by themselves.
    template <class T>
    void set(const config_key<T>& key, const T& value) {
        set(key.name, detail::erase_value(value), "code");
    }
    void set(std::string_view name, config_value value, std::string origin);

    /// What `--print-config` prints: one line an option, sorted, secrets masked.
    [[nodiscard]] std::string print() const;

private:
    struct entry {
        config_option option;
        config_value value;
        std::string origin;
    };
    [[nodiscard]] const entry& find(std::string_view name) const;

    std::map<std::string, entry, std::less<>> entries_;
};

/// Where values come from, in rising order: the file, the environment, the flags.
struct config_sources {
    std::vector<std::string> arguments;  ///< without the program's name
    std::map<std::string, std::string> environment;
    /// Reads the file of `--config FILE` or `COHORT_CONFIG`; a world's `read_file`.
    std::function<result<std::string>(const std::string& path, std::size_t bytes_max)> read_file;
    std::size_t positional_max = 0;  ///< arguments that are not flags
};

struct config_outcome {
    config values;                         ///< complete only when there are no problems
    std::vector<std::string> problems;     ///< all of them, one line each
    std::vector<std::string> warnings;     ///< former names in use, one line each
    std::vector<std::string> positionals;  ///< arguments that are not flags
    bool help = false;                     ///< `--help` was given
    bool print_config = false;             ///< `--print-config` was given
};

/// Reads and checks every source. Unknown names are refused, also variables that start with
/// `COHORT_`; the caller prints `problems` and leaves with a non-zero exit code.
[[nodiscard]] config_outcome load_config(const config_schema& schema,
                                         const config_sources& sources);

}  // namespace cohort
