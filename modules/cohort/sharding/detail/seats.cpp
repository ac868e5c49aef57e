#include <cohort/sharding/detail/seats.hpp>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cohort/world/assert.hpp>

namespace cohort::detail {

std::size_t seat_table::key_hash::operator()(std::string_view key) const noexcept {
    return XXH3_64bits_withSeed(key.data(), key.size(), seed);
}

seat_table::~seat_table() { COHORT_ASSERT(all_.empty(), "S-3: entities end before their table"); }

// The table has room for every key, so nothing of it is in the processor's caches; the seats that
// were found last are remembered where they are.
seat* seat_table::find(std::string_view key) noexcept {
    auto*& recent = recent_of(key);
    if (recent == nullptr || recent->key != key) {
        auto found = all_.find(key);
        if (found == all_.end()) {
            return nullptr;
        }
        recent = *found;
    }
    return recent;
}

seat& seat_table::add(std::string_view key) {
    auto made = std::make_unique<seat>();
    made->key = key;
    auto fresh = all_.insert(made.get()).second;
    COHORT_ASSERT(fresh, "S-1: a key has one seat");
    auto& out = *made.release();
    link(out);
    return out;
}

void seat_table::remove(seat& gone) noexcept {
    COHORT_ASSERT(!gone.entity && gone.waiting.empty(), "S-1: a seat outlives its entity");
    unlink(gone);
    if (auto*& recent = recent_of(gone.key); recent == &gone) {
        recent = nullptr;
    }
    all_.erase(&gone);
    delete &gone;
}

void seat_table::pass_over(seat& it) noexcept {
    if (&it != newest_) {
        unlink(it);
        link(it);
    }
}

void seat_table::link(seat& it) noexcept {
    it.newer = nullptr;
    it.older = newest_;
    (newest_ != nullptr ? newest_->newer : oldest_) = &it;
    newest_ = &it;
}

void seat_table::unlink(seat& it) noexcept {
    (it.newer != nullptr ? it.newer->older : newest_) = it.older;
    (it.older != nullptr ? it.older->newer : oldest_) = it.newer;
}

}  // namespace cohort::detail
