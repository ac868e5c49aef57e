#pragma once

#include <distributed-cache/cache_origin.hpp>
#include <distributed-cache/origin.hpp>

#include <cohort/cohort.hpp>
#include <cohort/world/bytes.hpp>

namespace cohort {

/// What an entity answers to a `get`: the content, or that there is none.
struct cached_item {
    bytes content;
    row_version version{};
    time_point since{};    ///< when it was loaded or stored
    bool present = false;  ///< whether the key exists
    bool text = false;     ///< whether the content is UTF-8 text
    bool hit = false;      ///< whether it was answered without asking the origin
};

struct get_item {
    using reply = result<cached_item>;
};
struct put_item {
    using reply = result<stored_row>;
    bytes content;
};
struct erase_item {
    using reply = result<void>;  ///< `errc::not_found` when there was nothing to erase
};
/// Asks the entity to leave when nothing waits in its mailbox any more.
struct leave {};

using item_protocol = protocol<get_item, put_item, erase_item, leave>;

struct entity_times {
    duration idle =
        std::chrono::seconds{120};  ///< without a request an entity leaves after this long
    duration absent =
        std::chrono::seconds{1};  ///< how long it remembers that its key does not exist
};

class entity_seat;

/// The one place where a key is read and written: an actor that is made by the first request for
/// its key and leaves when it is idle. While it awaits the origin the others wait in its mailbox,
/// so a cold key costs one query however many ask for it.
behavior<item_protocol> cache_entity(context<item_protocol> self, entity_seat seat,
                                     cache_origin* origin, entity_times times);

}  // namespace cohort
