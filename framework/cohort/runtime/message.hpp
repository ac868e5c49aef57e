#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include <cohort/runtime/handle.hpp>
#include <cohort/world/frame_pool.hpp>
#include <cohort/world/time.hpp>

namespace cohort {

/// When an answer stops being of use, and the trace that the request belongs to; both travel with
/// every ask, so that a request made on behalf of another carries them on.
struct deadline {
    time_point at{};
    std::uint64_t trace = 0;
};

struct message;

/// What the runtime knows of a message type; one static object for each, its address is the type.
struct message_type {
    std::string_view name;
    std::uint32_t size;  // of the whole node
    bool request;        // carries a `request_header`
    bool system;         // not counted against the mailbox's limit, never dropped
    void (*destructor)(message&) noexcept;  // null when there is nothing to destroy
};

/// A message in a mailbox: a pooled node, its payload behind it.
struct message {
    message* next = nullptr;
    const message_type* type = nullptr;
};

/// Where the answer goes and until when it is wanted.
struct request_header {
    handle reply;  // of the asker's pending record
    cohort::deadline deadline;
};

struct request_message : message {
    request_header header;
};

template <class M>
struct tell_node : message {
    template <class... Args>
    explicit tell_node(Args&&... args) : payload{std::forward<Args>(args)...} {}
    M payload;
};

template <class M>
struct ask_node : request_message {
    template <class... Args>
    explicit ask_node(Args&&... args) : payload{std::forward<Args>(args)...} {}
    M payload;
};

/// Destroys a message and gives its memory back.
inline void destroy_message(message& node) noexcept {
    const auto& type = *node.type;
    if (type.destructor != nullptr) {
        type.destructor(node);
    }
    frame_pool::local().release(&node, type.size);
}

namespace detail {

template <class T>
consteval std::string_view raw_name() {
    // clang and GCC both print `... [T = name]` or `... [with T = name; ...]`.
    auto text = std::string_view{__PRETTY_FUNCTION__};
    auto begin = text.find("T = ") + 4;
    return text.substr(begin, text.find_first_of(";]", begin) - begin);
}

}  // namespace detail

namespace detail {

template <class Node>
constexpr auto destructor_of() -> void (*)(message&) noexcept {
    static_assert(alignof(Node) <= 16, "messages are aligned to at most 16 bytes");
    if constexpr (std::is_trivially_destructible_v<Node>) {
        return nullptr;
    } else {
        return [](message& node) noexcept { static_cast<Node&>(node).~Node(); };
    }
}

}  // namespace detail

/// The name of a message type as it is written in the source, with its namespaces.
template <class T>
inline constexpr std::string_view type_name = detail::raw_name<T>();

template <class M>
inline constexpr message_type tell_type{type_name<M>, sizeof(tell_node<M>), false, false,
                                        detail::destructor_of<tell_node<M>>()};
template <class M>
inline constexpr message_type ask_type{type_name<M>, sizeof(ask_node<M>), true, false,
                                       detail::destructor_of<ask_node<M>>()};
template <class M>
inline constexpr message_type system_type{type_name<M>, sizeof(tell_node<M>), false, true,
                                          detail::destructor_of<tell_node<M>>()};

/// Makes a node in the pool of the calling thread.
template <class Node, class... Args>
[[nodiscard]] Node* make_node(const message_type& type, Args&&... args) {
    auto* memory = frame_pool::local().allocate(sizeof(Node));
    Node* node;
    if constexpr (std::is_nothrow_constructible_v<Node, Args&&...>) {
        node = new (memory) Node(std::forward<Args>(args)...);
    } else {
        try {
            node = new (memory) Node(std::forward<Args>(args)...);
        } catch (...) {
            frame_pool::local().release(memory, sizeof(Node));
            throw;
        }
    }
    node->type = &type;
    return node;
}

}  // namespace cohort
