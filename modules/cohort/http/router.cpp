#include <cohort/http/router.hpp>

#include <algorithm>
#include <cstring>

namespace cohort {
namespace {

error refuse(std::string_view pattern, std::string_view why) {
    return {errc::invalid, "the route pattern " + std::string{pattern} + " " + std::string{why},
            "router"};
}

bool parameter_like(std::string_view segment) {
    return segment.find_first_of("{}") != std::string_view::npos;
}

// By length first: most segments of other lengths are told apart without being looked at.
int compare(std::string_view left, std::string_view right) noexcept {
    return left.size() != right.size() ? (left.size() < right.size() ? -1 : 1)
                                       : std::memcmp(left.data(), right.data(), left.size());
}

}  // namespace

std::uint32_t router::node::literal(std::string_view segment) const noexcept {
    for (std::size_t low = 0, high = literals.size(); low < high;) {
        auto middle = (low + high) / 2;
        auto order = compare(segment, literals[middle].first);
        if (order == 0) {
            return literals[middle].second;
        }
        (order < 0 ? high : low) = order < 0 ? middle : middle + 1;
    }
    return none;
}

std::uint32_t router::new_node(std::string_view pattern) {
    auto& fresh = nodes_.emplace_back();
    fresh.routes.fill(none);
    fresh.pattern = pattern;
    return static_cast<std::uint32_t>(nodes_.size() - 1);
}

/// Finds or makes the node behind `at` for one segment of a pattern. A literal beside a parameter
/// is fine where both end the path: the literal wins. Deeper, `/a/{x}/b` beside `/a/c/d` would lose
/// `/a/c/b` without anybody noticing, so it is refused.
result<std::uint32_t> router::child(std::uint32_t at, std::string_view segment,
                                    std::string_view pattern, bool last) {
    auto conflict = [&](std::uint32_t other) {
        return refuse(pattern,
                      "overlaps with " + nodes_[other].pattern +
                          ": a literal may stand beside a parameter only where both end their "
                          "patterns");
    };
    auto parameter = nodes_[at].parameter;
    if (!parameter_like(segment)) {
        if (parameter != none && (!last || nodes_[parameter].has_children())) {
            return conflict(parameter);
        }
        if (auto known = nodes_[at].literal(segment); known != none) {
            return known;
        }
        auto made = new_node(pattern);
        auto& literals = nodes_[at].literals;
        auto behind = std::find_if(literals.begin(), literals.end(), [segment](const auto& each) {
            return compare(segment, each.first) < 0;
        });
        literals.emplace(behind, segment, made);
        return made;
    }
    for (const auto& [text, literal] : nodes_[at].literals) {
        if (!last || nodes_[literal].has_children()) {
            return conflict(literal);
        }
    }
    auto name = segment.substr(1, segment.size() - 2);
    if (parameter == none) {
        parameter = new_node(pattern);
        nodes_[at].parameter = parameter;
        nodes_[at].parameter_name = name;
    } else if (nodes_[at].parameter_name != name) {
        return refuse(pattern,
                      "calls the same parameter by another name than " + nodes_[parameter].pattern);
    }
    return parameter;
}

result<std::size_t> router::add(method verb, std::string_view pattern) {
    if (verb == method::other || verb == method::connect) {
        return refuse(pattern, "needs a method that routes can have");
    }
    if (!pattern.starts_with('/')) {
        return refuse(pattern, "must begin with a slash");
    }
    auto segments = std::vector<std::string_view>{};
    auto parameters = std::vector<std::string>{};
    for (auto rest = pattern == "/" ? std::string_view{} : pattern; !rest.empty();) {
        rest.remove_prefix(1);
        auto segment = rest.substr(0, rest.find('/'));
        rest.remove_prefix(segment.size());
        auto name = std::string_view{};
        if (parameter_like(segment)) {
            name = segment.size() > 2 ? segment.substr(1, segment.size() - 2) : std::string_view{};
            if (segment.front() != '{' || segment.back() != '}' || name.empty() ||
                parameter_like(name)) {
                return refuse(pattern, "has a malformed parameter: write a whole segment {name}");
            }
            if (std::find(parameters.begin(), parameters.end(), name) != parameters.end()) {
                return refuse(pattern, "has two parameters of the same name");
            }
        }
        segments.push_back(segment);
        parameters.emplace_back(name);
    }
    if (nodes_.empty()) {
        static_cast<void>(new_node("/"));
    }
    // A refused pattern must leave nothing behind, so it is tried on a copy; there are few routes.
    auto kept = nodes_;
    auto at = std::uint32_t{0};
    for (std::size_t index = 0; index < segments.size(); ++index) {
        auto next = child(at, segments[index], pattern, index + 1 == segments.size());
        if (!next) {
            nodes_ = std::move(kept);
            return next.error();
        }
        at = *next;
    }
    auto& end = nodes_[at];
    auto& slot = end.routes[static_cast<std::size_t>(verb)];
    if (slot != none) {
        nodes_ = std::move(kept);
        return refuse(pattern, "already has a route for " + std::string{name(verb)});
    }
    slot = static_cast<std::uint32_t>(count_);
    end.parameters = std::move(parameters);
    end.allow.clear();
    for (std::size_t index = 0; index < method_count; ++index) {
        auto offered = end.routes[index] != none ||
                       (static_cast<method>(index) == method::head &&
                        end.routes[static_cast<std::size_t>(method::get)] != none);
        if (offered) {
            end.allow.append(end.allow.empty() ? "" : ", ")
                .append(name(static_cast<method>(index)));
        }
    }
    return count_++;
}

router::match router::find(method verb, const request& incoming) const {
    if (nodes_.empty()) {
        return {};
    }
    const auto& data = incoming.data();
    const auto* at = &nodes_.front();
    for (std::size_t index = 0; index < data.segments.size(); ++index) {
        auto segment = data.segment(index);
        if (auto literal = at->literal(segment); literal != none) {
            at = &nodes_[literal];
        } else if (at->parameter != none && !segment.empty()) {
            at = &nodes_[at->parameter];
        } else {
            return {};
        }
    }
    if (at->allow.empty()) {
        return {};
    }
    auto out = match{match::kind::no_method, 0, &at->parameters, at->allow};
    if (verb == method::other || incoming.path() == "*") {
        return out;
    }
    auto route = at->routes[static_cast<std::size_t>(verb)];
    if (route == none && verb == method::head) {
        route = at->routes[static_cast<std::size_t>(method::get)];
    }
    if (route != none) {
        out.what = match::kind::route;
        out.route = route;
    }
    return out;
}

}  // namespace cohort
