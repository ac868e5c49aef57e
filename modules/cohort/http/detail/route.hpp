#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <cohort/http/eventual_response.hpp>
#include <cohort/http/request.hpp>

namespace cohort::detail {

/// What stands behind a route: a function and the arguments that it is called with.
///
/// Ownership: the server keeps one copy for each core for as long as a call can run, so a closure
/// may
///            be a coroutine and its captures stay alive.
class route_call {
public:
    virtual ~route_call() = default;
    [[nodiscard]] virtual eventual_response call(request incoming) = 0;
    [[nodiscard]] virtual std::unique_ptr<route_call> copy() const = 0;
};

template <class Function>
struct parameters_are_values : std::true_type {};
template <class R, class... Args>
struct parameters_are_values<R (*)(Args...)>
    : std::bool_constant<(!std::is_reference_v<Args> && ...)> {};

template <class R, class C, class... Args>
consteval bool takes_values_of(R (C::*)(Args...) const) {
    return (!std::is_reference_v<Args> && ...);
}
template <class R, class C, class... Args>
consteval bool takes_values_of(R (C::*)(Args...)) {
    return (!std::is_reference_v<Args> && ...);
}

template <class Function>
consteval bool takes_values() {
    // A generic call operator has no address to look at.
    if constexpr (requires { &Function::operator(); }) {
        return takes_values_of(&Function::operator());
    } else {
        return parameters_are_values<Function>::value;
    }
}
template <class Function, class... Args>
consteval bool check_route() {
    static_assert(std::is_invocable_v<Function&, request, Args...>,
                  "a route's handler takes a `request` and then the arguments that were given with "
                  "the route");
    if constexpr (std::is_invocable_v<Function&, request, Args...>) {
        using answer = std::invoke_result_t<Function&, request, Args...>;
        static_assert(
            std::same_as<answer, task<response>> || std::same_as<answer, response> ||
                std::same_as<answer, eventual_response>,
            "a route's handler returns `task<response>`, or `response` when it never waits");
    }
    static_assert((std::is_copy_constructible_v<Args> && ...),
                  "a route's arguments are copied for every call: they have to be copyable");
    return true;
}

template <class Function, class... Args>
class kept_route final : public route_call {
public:
    kept_route(Function function, std::tuple<Args...> args)
        : function_{std::move(function)}, args_{std::move(args)} {}

    eventual_response call(request incoming) override {
        return std::apply(
            [&](const auto&... args) -> eventual_response {
                return std::invoke(function_, std::move(incoming), Args(args)...);
            },
            args_);
    }
    std::unique_ptr<route_call> copy() const override {
        return std::make_unique<kept_route>(function_, args_);
    }

private:
    Function function_;
    std::tuple<Args...> args_;
};

}  // namespace cohort::detail
