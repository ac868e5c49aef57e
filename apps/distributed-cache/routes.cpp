#include <distributed-cache/routes.hpp>

#include <cohort/http/caching.hpp>
#include <cohort/http/server.hpp>

#include <fmt/format.h>

#include <utility>

namespace cohort {
namespace {

response with_epoch(response answer, std::string_view key, std::uint64_t epoch,
                    const cache_routes& routes) {
    if (!routes.show_epochs) {
        return answer;
    }
    return std::move(answer).header("Cohort-Epoch",
                                    fmt::format("{}/{}", routes.items->shard(key), epoch));
}

response content(const request& incoming, const bytes& data, row_version version, bool text,
                 duration stored_for) {
    auto tag = etag(version);
    if (matches_etag(incoming, tag)) {
        return not_modified(tag).header("Age", age(stored_for));
    }
    auto type =
        text ? header_value{"text/plain; charset=utf-8"} : header_value{"application/octet-stream"};
    return response{200}
        .header("Content-Type", type)
        .header("ETag", tag)
        .header("Age", age(stored_for))
        .body(data);
}

response with_status(response answer, const cached_item& item, const cache_routes& routes) {
    if (item.owner != routes.items->node_name()) {
        return std::move(answer).header("Cache-Status", item.hit
                                                            ? cache_hit(item.owner)
                                                            : cache_miss(item.owner, item.present));
    }
    return std::move(answer).header(item.hit       ? routes.status_hit
                                    : item.present ? routes.status_stored
                                                   : routes.status_missing);
}

task<response> ask_and_answer(request incoming, const cache_routes* routes) {
    auto key = incoming.path("key");
    auto found = co_await routes->items->ask(key, incoming.deadline(), get_item{});
    if (!found) {
        co_return problem(found.error());
    }
    auto answer = found->present
                      ? content(incoming, found->content, found->version, found->text, found->age)
                      : problem(404, "no such key");
    co_return with_epoch(with_status(std::move(answer), *found, *routes), key, found->epoch,
                         *routes);
}

}  // namespace

cache_routes::cache_routes(cache_items& table, bool with_epochs)
    : items{&table}, show_epochs{with_epochs},
      status_hit{"Cache-Status", cache_hit(table.node_name())},
      status_stored{"Cache-Status", cache_miss(table.node_name(), true)},
      status_missing{"Cache-Status", cache_miss(table.node_name(), false)} {}

eventual_response answer_get(request incoming, const cache_routes* routes) {
    auto key = incoming.path("key");
    if (const auto* item = routes->items->peek(key)) {
        auto stored_for = this_core().turn_time() - item->since;
        auto answer = content(incoming, item->content, item->version, item->text, stored_for);
        return with_epoch(std::move(answer).header(routes->status_hit), key, item->epoch, *routes);
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
    auto answer =
        (stored->created ? created() : no_content()).header("ETag", etag(stored->version));
    co_return with_epoch(std::move(answer), key, stored->epoch, *routes);
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
    co_return with_epoch(no_content(), key, erased->epoch, *routes);
}

void add_cache_routes(http_server& server, const cache_routes* routes) {
    server.route(GET, "/cache-data/{key}", answer_get, routes);
    server.route(PUT, "/cache-data/{key}", answer_put, routes);
    server.route(DELETE, "/cache-data/{key}", answer_delete, routes);
}

}  // namespace cohort
