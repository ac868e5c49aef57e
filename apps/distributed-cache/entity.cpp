#include <distributed-cache/entity.hpp>

#include <distributed-cache/entities.hpp>

#include <simdjson.h>

#include <optional>
#include <utility>

namespace cohort {
namespace {

/// Whether a browser may show it as text: UTF-8 without a zero byte.
bool is_text(std::string_view content) {
    return content.find('\0') == content.npos &&
           simdjson::validate_utf8(content.data(), content.size());
}

cached_item present(bytes content, row_version version, time_point now) {
    auto text = is_text(content.view());
    return {std::move(content), version, now, true, text, false};
}

cached_item absent(time_point now) {
    auto item = cached_item{};
    item.since = now;
    return item;
}

task<result<cached_item>> load(context<item_protocol> self, std::string key, cache_origin* origin,
                               deadline until) {
    auto row = co_await origin->load(std::move(key), origin->sole_owner(), until);
    if (row) {
        co_return present(std::move(row->content), row->version, self.now());
    }
    if (row.error() == errc::not_found) {
        co_return absent(self.now());
    }
    co_return std::move(row).error();
}

}  // namespace

behavior<item_protocol> cache_entity(context<item_protocol> self, entity_seat given,
                                     cache_origin* origin, entity_times times) {
    // A local, so that the table forgets the entity before it has ended, not after.
    auto seat = std::move(given);
    auto& counters = seat.counters();
    auto& known = seat.known();
    auto leaving = false;
    for (;;) {
        auto wait = leaving                    ? duration::zero()
                    : known && !known->present ? times.absent
                                               : times.idle;
        seat.rests(cell_of(self).head == nullptr);
        auto message = co_await self.receive_for(wait);
        // A read without a message is a request too: the time counts from the last one.
        while (!message && self.turn_time() < seat.peeked() + wait) {
            message = co_await self.receive_for(seat.peeked() + wait - self.turn_time());
        }
        if (!message) {
            // Nothing waits in the mailbox and nothing can come before the seat is given up.
            co_return;
        }
        if (known && !known->present && self.turn_time() - known->since >= times.absent) {
            known.reset();
        }
        if (auto get = message->get_if<get_item>()) {
            auto hit = known.has_value();
            (hit ? counters.hits : counters.misses).add();
            if (!hit) {
                auto loaded = co_await load(self, seat.key(), origin, get.deadline());
                if (!loaded) {
                    counters.failed.add();
                    get.reply(std::move(loaded).error());
                    continue;
                }
                known = std::move(*loaded);
                seat.holds(known->content.size());
            }
            auto answer = *known;
            answer.hit = hit;
            get.reply(std::move(answer));
        } else if (auto put = message->get_if<put_item>()) {
            auto content = put->content;
            auto stored =
                co_await origin->store(seat.key(), content, origin->sole_owner(), put.deadline());
            if (stored) {
                known = present(std::move(content), stored->version, self.now());
                seat.holds(known->content.size());
            } else if (stored.error().executed() != executed::no) {
                known.reset();  // nobody knows which content the origin has now
                seat.holds(0);
            }
            put.reply(std::move(stored));
        } else if (auto erase = message->get_if<erase_item>()) {
            auto erased =
                co_await origin->erase(seat.key(), origin->sole_owner(), erase.deadline());
            if (erased || erased.error() == errc::not_found) {
                known = absent(self.now());
                seat.holds(0);
            } else if (erased.error().executed() != executed::no) {
                known.reset();
                seat.holds(0);
            }
            erase.reply(std::move(erased));
        } else {
            leaving = true;
        }
    }
}

}  // namespace cohort
