#include <distributed-cache/routes.hpp>

#include <cohort/http/caching.hpp>
#include <cohort/http/server.hpp>

#include <utility>

namespace cohort {
namespace {

const header_line& cache_status(const cached_item& item, bool hit, const cache_routes& routes) {
    if (hit) {
        return routes.status_hit;
    }
    return item.present ? routes.status_stored : routes.status_missing;
}

response answer_item(const request& incoming, const cached_item& item, bool hit,
                     const cache_routes& routes) {
    const auto& status = cache_status(item, hit, routes);
    if (!item.present) {
        return problem(404, "no such key").header(status);
    }
    auto tag = etag(item.version);
    auto stored_for = this_core().turn_time() - item.since;
    if (matches_etag(incoming, tag)) {
        return not_modified(tag).header("Age", age(stored_for)).header(status);
    }
    auto type = item.text ? header_value{"text/plain; charset=utf-8"}
                          : header_value{"application/octet-stream"};
    return response{200}
        .header("Content-Type", type)
        .header("ETag", tag)
        .header("Age", age(stored_for))
        .header(status)
        .body(item.content);
}

task<response> ask_and_answer(request incoming, const cache_routes* routes) {
    auto key = incoming.path("key");
    auto found = co_await routes->items->ask(key, incoming.deadline(), get_item{});
    if (!found) {
        co_return problem(found.error());
    }
    co_return answer_item(incoming, *found, found->hit, *routes);
}

}  // namespace

cache_routes::cache_routes(entities& table, const std::string& node_name)
    : items{&table}, status_hit{"Cache-Status", cache_hit(node_name)},
      status_stored{"Cache-Status", cache_miss(node_name, true)},
      status_missing{"Cache-Status", cache_miss(node_name, false)} {}

eventual_response answer_get(request incoming, const cache_routes* routes) {
    auto key = incoming.path("key");
    if (const auto* item = routes->items->peek(key)) {
        return answer_item(incoming, *item, true, *routes);
    }
    if (auto checked = check_key(key); !checked) {
        return problem(checked.error());
    }
    return ask_and_answer(std::move(incoming), routes);
}

task<response> answer_put(request incoming, const cache_routes* routes) {
    auto key = incoming.path("key");
    if (auto checked = check_key(key); !checked) {
        co_return problem(checked.error());
    }
    auto stored = co_await routes->items->ask(key, incoming.deadline(),
                                              put_item{bytes::adopt(incoming.take_body())});
    if (!stored) {
        co_return problem(stored.error());
    }
    co_return (stored->created ? created() : no_content()).header("ETag", etag(stored->version));
}

task<response> answer_delete(request incoming, const cache_routes* routes) {
    auto key = incoming.path("key");
    if (auto checked = check_key(key); !checked) {
        co_return problem(checked.error());
    }
    auto erased = co_await routes->items->ask(key, incoming.deadline(), erase_item{});
    if (!erased && erased.error() == errc::not_found) {
        co_return problem(404, "no such key");
    }
    if (!erased) {
        co_return problem(erased.error());
    }
    co_return no_content();
}

void add_cache_routes(http_server& server, const cache_routes* routes) {
    server.route(GET, "/cache-data/{key}", answer_get, routes);
    server.route(PUT, "/cache-data/{key}", answer_put, routes);
    server.route(DELETE, "/cache-data/{key}", answer_delete, routes);
}

}  // namespace cohort
