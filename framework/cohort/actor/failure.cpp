#include <cohort/actor/cold.hpp>
#include <cohort/actor/detail/names.hpp>
#include <cohort/actor/supervision.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace cohort {

std::string detail::function_of(const promise_base& coroutine) {
    auto text = std::string_view{coroutine.where.function_name()};
    // The parameters begin at the first parenthesis outside of template arguments; the name ends
    // there and begins behind the last space outside of them.
    int depth = 0;
    std::size_t begin = 0;
    std::size_t end = text.size();
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text.substr(i).starts_with("(anonymous namespace)")) {
            i += std::string_view{"(anonymous namespace)"}.size() - 1;
            continue;
        }
        depth += text[i] == '<' ? 1 : text[i] == '>' ? -1 : 0;
        if (depth == 0 && text[i] == ' ') {
            begin = i + 1;
        } else if (depth == 0 && text[i] == '(') {
            end = i;
            break;
        }
    }
    return std::string{text.substr(begin, end - begin)};
}

std::string detail::address_text(handle address) {
    return fmt::format("{}.{}.{}", address.core(), address.slot(), address.generation());
}

std::string detail::name_of(core&, cell& actor) {
    if (actor.cold != nullptr && !actor.cold->name.empty()) {
        return actor.cold->name;
    }
    return actor.root != nullptr ? detail::function_of(*actor.root) : "actor";
}

std::string failure::message() const { return actor + ": " + reason(); }

std::string failure::reason() const {
    auto text = fmt::format("{}: {}", type, what);
    return cause ? text + ", because " + cause->message() : text;
}

directive supervision::decide(const std::exception_ptr& thrown) const {
    for (const auto& each : rules_) {
        if (each.fits(thrown)) {
            return each.decision;
        }
    }
    return otherwise_;
}

bool supervision::may_restart() const noexcept {
    return otherwise_ == directive::restart ||
           std::any_of(rules_.begin(), rules_.end(),
                       [](const rule& each) { return each.decision == directive::restart; });
}

}  // namespace cohort
