#pragma once

#include <distributed-cache/origin.hpp>

#include <cohort/cohort.hpp>
#include <cohort/sharding/sharding.hpp>
#include <cohort/world/bytes.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace cohort {

class cache_items;

/// What an entity answers to a `get`: the content, or that there is none.
struct cached_item {
    static constexpr std::string_view wire_name = "cache.item";
    bytes content;
    row_version version{};
    duration age{};         ///< since it was loaded or stored
    bool present = false;   ///< whether the key exists
    bool text = false;      ///< whether the content is UTF-8 text
    bool hit = false;       ///< whether it was answered without asking the origin
    std::uint64_t epoch{};  ///< of the entity's owner
    std::string owner;      ///< the name of its node
};

/// What became of a write.
struct written_item {
    static constexpr std::string_view wire_name = "cache.written";
    row_version version{};  ///< 0 for an erase
    bool created = false;   ///< the key was absent before
    std::uint64_t epoch{};
};

/// An item as its entity shows it while it is at rest; it exists.
struct shown_item {
    bytes content;
    row_version version{};
    time_point since{};  ///< when it was loaded or stored
    bool text = false;
    std::uint64_t epoch{};
    cache_items* items = nullptr;

    [[nodiscard]] cached_item answer(bool hit) const;
};

struct get_item {
    static constexpr std::string_view wire_name = "cache.get";
    static constexpr bool idempotent = true;
    using reply = result<cached_item>;
    using shown = shown_item;
    [[nodiscard]] reply answer(const shown_item& known) const;  ///< a hit
};
struct put_item {
    static constexpr std::string_view wire_name = "cache.put";
    using reply = result<written_item>;
    bytes content;
};
struct erase_item {
    static constexpr std::string_view wire_name = "cache.erase";
    using reply = result<written_item>;  ///< `errc::not_found` when there was nothing to erase
};

using item_protocol = protocol<get_item, put_item, erase_item>;

/// The one place in the cluster where a key is read and written: an actor that is made by the first
/// request for its key and leaves when it is idle. While it awaits the origin the others wait in
/// its mailbox, so a cold key costs one query however many ask for it, and by whichever node.
behavior<item_protocol> cache_entity(entity_context<item_protocol> self, cache_items* items);

}  // namespace cohort
