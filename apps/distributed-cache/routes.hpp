#pragma once

#include <distributed-cache/cache_items.hpp>

#include <cohort/http/eventual_response.hpp>
#include <cohort/http/request.hpp>
#include <cohort/http/response.hpp>
#include <cohort/task/task.hpp>

#include <string>

namespace cohort {

class http_server;

/// What the routes of the cache need. Outlives the server.
struct cache_routes {
    /// With `show_epochs` answers carry `Cohort-Epoch: SHARD/EPOCH`, by which an auditor sees
    /// whether two nodes ever owned a key at once.
    cache_routes(cache_items& table, bool show_epochs = false);

    cache_items* items;
    bool show_epochs;
    // `Cache-Status` of what this node owns, which is all alike.
    header_line status_hit;
    header_line status_stored;
    header_line status_missing;
};

/// `GET /cache-data/{key}`: the content with `ETag`, `Age` and `Cache-Status`; 304 when the caller
/// has it, 404 when there is none. Answers at once what the key's entity knows.
eventual_response answer_get(request incoming, const cache_routes* routes);
/// `PUT /cache-data/{key}`: the body becomes the content; 201 when the key is new, else 204.
task<response> answer_put(request incoming, const cache_routes* routes);
/// `DELETE /cache-data/{key}`: 204, or 404 when there was nothing.
task<response> answer_delete(request incoming, const cache_routes* routes);

/// Adds the routes above.
void add_cache_routes(http_server& server, const cache_routes* routes);

}  // namespace cohort
