#include <distributed-cache/entity.hpp>

#include <distributed-cache/cache_items.hpp>

#include <simdjson.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace cohort {
namespace {

/// Whether a browser may show it as text: UTF-8 without a zero byte.
bool is_text(std::string_view content) {
    return content.find('\0') == content.npos &&
           simdjson::validate_utf8(content.data(), content.size());
}

/// What an entity knows about its key: nothing before the first answer of the origin, and nothing
/// after a write whose outcome is unknown.
class known_item {
public:
    known_item(entity_context<item_protocol> self, cache_items* items) noexcept
        : self_{self}, items_{items} {}

    [[nodiscard]] bool known() const noexcept { return item() != nullptr || absent_since_; }
    [[nodiscard]] bool absent() const noexcept { return absent_since_.has_value(); }

    void present(bytes content, row_version version) {
        auto text = is_text(content.view());
        absent_since_.reset();
        auto size = content.size();
        self_.publish(
            shown_item{std::move(content), version, self_.now(), text, self_.epoch(), items_});
        self_.holds(size);
    }
    void missing() {
        forget();
        absent_since_ = self_.now();
    }
    void forget() noexcept {
        self_.unpublish();
        self_.holds(0);
        absent_since_.reset();
    }
    /// That a key does not exist is remembered for a short time only.
    void expire(duration after) noexcept {
        if (absent_since_ && self_.now() - *absent_since_ >= after) {
            absent_since_.reset();
        }
    }

    [[nodiscard]] cached_item answer(bool hit) const {
        const auto* known = item();
        return known != nullptr
                   ? known->answer(hit)
                   : cached_item{.hit = hit, .epoch = self_.epoch(), .owner = items_->node_name()};
    }

private:
    [[nodiscard]] const shown_item* item() const noexcept { return self_.published<shown_item>(); }

    entity_context<item_protocol> self_;
    cache_items* items_;
    std::optional<time_point> absent_since_;
};

task<result<void>> load(entity_context<item_protocol> self, cache_items* items, known_item* known,
                        deadline until) {
    auto row = co_await items->origin().load(self.key(), items->fence(self), until);
    if (row) {
        known->present(std::move(row->content), row->version);
    } else if (row.error() == errc::not_found) {
        known->missing();
    } else {
        co_return std::move(row).error();
    }
    co_return result<void>{};
}

// What the origin holds after a write that perhaps took place nobody knows.
void failed_write(known_item& known, const error& why) {
    if (why.executed() != executed::no) {
        known.forget();
    }
}

}  // namespace

cached_item shown_item::answer(bool hit) const {
    // It may be younger than this turn.
    auto age = std::max(this_core().turn_time() - since, duration::zero());
    return {content, version, age, true, text, hit, epoch, items->node_name()};
}

result<cached_item> get_item::answer(const shown_item& known) const {
    known.items->counters().hits.add();
    return known.answer(true);
}

behavior<item_protocol> cache_entity(entity_context<item_protocol> self, cache_items* items) {
    auto known = known_item{self, items};
    auto& counters = items->counters();
    for (;;) {
        auto message = co_await self.receive();
        known.expire(items->times().absent);
        if (auto get = message.get_if<get_item>()) {
            auto hit = known.known();
            (hit ? counters.hits : counters.misses).add();
            if (!hit) {
                auto loaded = co_await load(self, items, &known, get.deadline());
                if (!loaded) {
                    counters.failed.add();
                    get.reply(std::move(loaded).error());
                    continue;
                }
            }
            get.reply(known.answer(hit));
        } else if (auto put = message.get_if<put_item>()) {
            auto content = put->content;
            auto stored = co_await items->origin().store(self.key(), content, items->fence(self),
                                                         put.deadline());
            if (!stored) {
                failed_write(known, stored.error());
                put.reply(std::move(stored).error());
                continue;
            }
            known.present(std::move(content), stored->version);
            put.reply(written_item{stored->version, stored->created, self.epoch()});
        } else if (auto erase = message.get_if<erase_item>()) {
            auto erased =
                co_await items->origin().erase(self.key(), items->fence(self), erase.deadline());
            if (!erased && erased.error() != errc::not_found) {
                failed_write(known, erased.error());
                erase.reply(std::move(erased).error());
                continue;
            }
            known.missing();
            if (erased) {
                erase.reply(written_item{.epoch = self.epoch()});
            } else {
                erase.reply(std::move(erased).error());
            }
        }
    }
}

}  // namespace cohort
