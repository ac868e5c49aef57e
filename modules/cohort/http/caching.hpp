#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <cohort/http/request.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

/// An entity tag for a version: `"2a"`, quotes included.
[[nodiscard]] number_value etag(std::uint64_t version);

/// Whether the request's `If-None-Match` names `tag` (weak comparison, RFC 9110, 13.1.2), so that
/// the answer is 304. False when the header is missing or malformed: the whole answer is never
/// wrong.
[[nodiscard]] bool matches_etag(const request& incoming, std::string_view tag);

/// The value of `Age`: whole seconds, never negative.
[[nodiscard]] number_value age(duration since_stored);

/// What the cache did, in the form of RFC 9211, with the node that did it:
/// `cohort; hit; detail=<node>` and `cohort; fwd=miss; stored; detail=<node>`.
[[nodiscard]] std::string cache_hit(std::string_view node);
[[nodiscard]] std::string cache_miss(std::string_view node, bool stored = true);

}  // namespace cohort
