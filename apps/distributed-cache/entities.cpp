#include <distributed-cache/entities.hpp>

#include <boost/unordered/unordered_flat_set.hpp>

#include <array>

// Keys are short: hashing one takes less time than calling the library.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace cohort {

/// A key's line in its core's table. Lines stand in the order in which they were made or passed
/// over.
struct entity_seat::entry {
    // What a read looks at stands together.
    std::string key;
    std::optional<cached_item> known;
    time_point peeked{};
    bool at_rest = false;  // nothing happens to `known` before the next message
    bool used = false;     // since it was made or passed over
    bool leaving = false;  // was told to leave; not in the order any more
    handle entity;
    entry* newer = nullptr;
    entry* older = nullptr;
    std::size_t content_bytes = 0;
};

namespace {

using entry = entity_seat::entry;

struct key_hash {
    using is_transparent = void;
    std::uint64_t seed;
    std::size_t operator()(std::string_view key) const noexcept {
        return XXH3_64bits_withSeed(key.data(), key.size(), seed);
    }
    std::size_t operator()(const entry* held) const noexcept { return (*this)(held->key); }
};

struct key_equal {
    using is_transparent = void;
    static std::string_view key(std::string_view given) noexcept { return given; }
    static std::string_view key(const entry* held) noexcept { return held->key; }
    template <class Left, class Right>
    bool operator()(const Left& left, const Right& right) const noexcept {
        return key(left) == key(right);
    }
};

struct no_mail {};
using owner_protocol = protocol<no_mail>;

}  // namespace

/// The entities of one core.
///
/// Thread: the core's, except `counters`.
class entity_table {
public:
    entity_table(cache_origin& origin, entities_options share, std::uint64_t seed)
        : origin_{origin}, share_{share}, seats_{0, key_hash{seed}, key_equal{}} {
        // Growing means hashing every key again, which would hold the core up; room costs little.
        seats_.reserve(share_.entities_max);
    }
    ~entity_table() { COHORT_ASSERT(seats_.empty(), "entities end before their table"); }

    void deliver(core& here, std::string_view key, message* node) {
        if (auto* seat = find(key)) {
            seat->used = true;
            seat->at_rest = false;
            here.deliver(seat->entity, node);
            return;
        }
        if (!owner_) {
            here.dead_letter(node, errc::unavailable);
            return;
        }
        make_room();
        if (seats_.size() >= share_.entities_max + share_.entities_max / 4 + 16) {
            here.dead_letter(node, errc::overloaded);
            return;
        }
        here.deliver(start(here, key), node);
    }

    const cached_item* peek(core& here, std::string_view key) {
        auto* seat = find(key);
        // The entity runs on this thread and does nothing before its next message, so nothing
        // stands between what it knows and this read.
        if (seat == nullptr || !seat->at_rest || !seat->known || !seat->known->present) {
            return nullptr;
        }
        seat->used = true;
        seat->peeked = here.turn_time();
        counters_.hits.add();
        return &*seat->known;
    }

    void remove(entry& gone) noexcept {
        if (gone.leaving) {
            --leaving_;
            leaving_bytes_ -= gone.content_bytes;
        } else {
            unlink(gone);
        }
        content_bytes_ -= gone.content_bytes;
        counters_.bytes_out.add(gone.content_bytes);
        counters_.ended.add();
        if (auto*& recent = recent_of(gone.key); recent == &gone) {
            recent = nullptr;
        }
        seats_.erase(&gone);
        delete &gone;
    }

    void holds(entry& seat, std::size_t bytes) noexcept {
        counters_.bytes_in.add(bytes);
        counters_.bytes_out.add(seat.content_bytes);
        content_bytes_ += bytes - seat.content_bytes;
        if (seat.leaving) {
            leaving_bytes_ += bytes - seat.content_bytes;
        }
        seat.content_bytes = bytes;
        while (content_bytes_ - leaving_bytes_ > share_.content_bytes_max && oldest_ != nullptr) {
            evict_one();
        }
    }

    [[nodiscard]] entity_counters& counters() noexcept { return counters_; }

    struct give_up {
        void operator()(entity_table* table) const noexcept { table->owner_.reset(); }
    };
    using ownership = std::unique_ptr<entity_table, give_up>;

    /// Owns the core's entities: they are its children, so they end before it does.
    static behavior<owner_protocol> own(context<owner_protocol> self, ownership) {
        for (;;) {
            static_cast<void>(co_await self.receive());
        }
    }
    /// Entities are started as children of this actor from now on.
    void own_by(cell& owner) { owner_.emplace(owner); }

private:
    /// A popular key gets many requests at once, and each is answered in well under a microsecond.
    static constexpr std::uint16_t mailbox_limit = 20'000;
    static constexpr int second_chances_max = 8;
    static constexpr std::size_t recent_max = 4096;

    entry*& recent_of(std::string_view key) noexcept {
        return recent_[seats_.hash_function()(key) % recent_max];
    }
    /// The key's line or null. The table has room for every key, so nothing of it is in the
    /// processor's caches; the lines that were found last are kept where they are.
    entry* find(std::string_view key) noexcept {
        auto*& recent = recent_of(key);
        if (recent == nullptr || recent->key != key) {
            auto found = seats_.find(key);
            if (found == seats_.end()) {
                return nullptr;
            }
            recent = *found;
        }
        return recent;
    }

    handle start(core& here, std::string_view key) {
        auto made = std::make_unique<entry>();
        made->key = key;
        seats_.insert(made.get());
        auto& seat = *made.release();
        link(seat);
        counters_.started.add();
        auto started =
            owner_->spawn(&cache_entity, entity_seat{*this, seat}, &origin_, share_.times);
        seat.entity = started.address();
        here.find(seat.entity)->main.limit = mailbox_limit;
        return seat.entity;
    }

    void make_room() noexcept {
        while (seats_.size() - leaving_ >= share_.entities_max && oldest_ != nullptr) {
            evict_one();
        }
    }

    /// Which key was used least lately is known roughly: a use only leaves a mark, so that a
    /// request touches no other key's memory, and a marked key is passed over once.
    void evict_one() noexcept {
        for (auto chances = second_chances_max; chances > 0 && oldest_->used; --chances) {
            auto& seat = *oldest_;
            seat.used = false;
            unlink(seat);
            link(seat);
        }
        auto& seat = *oldest_;
        unlink(seat);
        seat.leaving = true;
        seat.at_rest = false;
        ++leaving_;
        leaving_bytes_ += seat.content_bytes;
        counters_.evicted.add();
        ref<item_protocol>{seat.entity}.tell(leave{});
    }

    void link(entry& seat) noexcept {
        seat.newer = nullptr;
        seat.older = newest_;
        (newest_ != nullptr ? newest_->newer : oldest_) = &seat;
        newest_ = &seat;
    }
    void unlink(entry& seat) noexcept {
        (seat.newer != nullptr ? seat.newer->older : newest_) = seat.older;
        (seat.older != nullptr ? seat.older->newer : oldest_) = seat.newer;
    }

    cache_origin& origin_;
    entities_options share_;
    boost::unordered_flat_set<entry*, key_hash, key_equal> seats_;
    std::array<entry*, recent_max> recent_{};  // by hash
    entry* newest_ = nullptr;
    entry* oldest_ = nullptr;
    std::size_t leaving_ = 0;
    std::size_t content_bytes_ = 0;
    std::size_t leaving_bytes_ = 0;
    std::optional<context<owner_protocol>> owner_;
    entity_counters counters_;
};

entity_seat::~entity_seat() {
    if (entry_ != nullptr) {
        table_->remove(*entry_);
    }
}

const std::string& entity_seat::key() const noexcept { return entry_->key; }

std::optional<cached_item>& entity_seat::known() const noexcept { return entry_->known; }

void entity_seat::rests(bool nothing_waits) noexcept {
    entry_->at_rest = nothing_waits && !entry_->leaving;
}

time_point entity_seat::peeked() const noexcept { return entry_->peeked; }

void entity_seat::holds(std::size_t content_bytes) noexcept {
    table_->holds(*entry_, content_bytes);
}

entity_counters& entity_seat::counters() const noexcept { return table_->counters(); }

entities::entities(cache_origin& origin, entities_options options)
    : origin_{origin}, options_{options} {}

entities::~entities() = default;

void entities::start(system& owner) {
    auto share = options_;
    share.entities_max = std::max<std::size_t>(1, options_.entities_max / owner.cores());
    share.content_bytes_max = options_.content_bytes_max / owner.cores();
    for (auto id = std::uint32_t{0}; id < owner.cores(); ++id) {
        tables_.push_back(std::make_unique<entity_table>(origin_, share, owner.world().random()));
    }
    for (auto id = std::uint32_t{0}; id < owner.cores(); ++id) {
        auto* table = tables_[id].get();
        auto made = owner.spawn_on(id, &entity_table::own, entity_table::ownership{table});
        owner.on_core(id, [table, made](core& here) {
            if (auto* cell = here.find(made.address())) {
                table->own_by(*cell);
            }
        });
    }
}

std::uint32_t entities::home_of(std::string_view key) const noexcept {
    if (tables_.size() == 1) {
        return 0;
    }
    // No seed: every node of a cluster must come to the same answer.
    auto hash = XXH3_64bits(key.data(), key.size());
    __extension__ using wide = unsigned __int128;
    return static_cast<std::uint32_t>((static_cast<wide>(hash) * tables_.size()) >> 64);
}

void entities::deliver(core& here, std::string_view key, message* node) {
    tables_[here.id()]->deliver(here, key, node);
}

const cached_item* entities::peek(std::string_view key) {
    auto& here = this_core();
    return home_of(key) == here.id() ? tables_[here.id()]->peek(here, key) : nullptr;
}

entity_figures entities::figures() const {
    auto sum = entity_figures{};
    for (const auto& table : tables_) {
        const auto& counted = table->counters();
        // What ended is read first: an entity that ends meanwhile must not make the difference
        // negative.
        auto ended = counted.ended.value();
        auto bytes_out = counted.bytes_out.value();
        sum.started += counted.started.value();
        sum.entities += counted.started.value() - ended;
        sum.content_bytes += counted.bytes_in.value() - bytes_out;
        sum.evicted += counted.evicted.value();
        sum.hits += counted.hits.value();
        sum.misses += counted.misses.value();
        sum.failed += counted.failed.value();
    }
    return sum;
}

}  // namespace cohort
