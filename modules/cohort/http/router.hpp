#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cohort/http/method.hpp>
#include <cohort/http/request.hpp>
#include <cohort/world/result.hpp>

namespace cohort {

/// From method and path to the number of a route. Patterns are literal segments and parameters:
/// `/cache-data/{key}`. Every path has at most one pattern, whatever the order of registration;
/// patterns that would make it a matter of luck are refused. A plain state machine; matching costs
/// one look-up for each segment.
class router {
public:
    /// What stands behind a path.
    struct match {
        enum class kind : std::uint8_t { route, no_path, no_method };
        kind what = kind::no_path;
        std::size_t route = 0;
        const std::vector<std::string>* parameters =
            nullptr;             ///< for each segment its name, or empty
        std::string_view allow;  ///< for `no_method` and OPTIONS: `GET, HEAD`
    };

    /// Adds a route and returns its number (0, 1, 2 ...). `get` answers HEAD too unless that has a
    /// route of its own.
    ///
    /// Errors: `errc::invalid` with a sentence when the pattern is malformed or conflicts with
    /// another.
    [[nodiscard]] result<std::size_t> add(method verb, std::string_view pattern);

    /// Ownership: what the match points to lives as long as the router and until the next `add`.
    [[nodiscard]] match find(method verb, const request& incoming) const;

    [[nodiscard]] std::size_t size() const noexcept { return count_; }

private:
    static constexpr std::uint32_t none = 0xffff'ffff;

    struct node {
        std::vector<std::pair<std::string, std::uint32_t>> literals;  // by length, then bytes
        std::uint32_t parameter = none;  // the child that stands for any segment
        std::string parameter_name;      // of that child
        std::string pattern;             // the first that led here, for the refusals' sentences
        std::array<std::uint32_t, method_count> routes{};
        std::vector<std::string> parameters;
        std::string allow;
        /// The child behind a literal segment, or `none`.
        [[nodiscard]] std::uint32_t literal(std::string_view segment) const noexcept;
        [[nodiscard]] bool has_children() const { return !literals.empty() || parameter != none; }
    };

    [[nodiscard]] result<std::uint32_t> child(std::uint32_t at, std::string_view segment,
                                              std::string_view pattern, bool last);
    [[nodiscard]] std::uint32_t new_node(std::string_view pattern);

    std::vector<node> nodes_;
    std::size_t count_ = 0;
};

}  // namespace cohort
