#include <cohort/world/bytes.hpp>

#include <cstring>
#include <new>

namespace cohort {

namespace {

// Below this, one allocation and a copy cost less than keeping a string alive.
constexpr std::size_t adopt_bytes_min = 256;

}  // namespace

struct bytes::adopted_block : block {
    explicit adopted_block(std::string&& text) : content{std::move(text)} { adopted = true; }
    std::string content;
};

bytes::bytes(std::string_view content) {
    if (!content.empty()) {
        std::memcpy(allocate(content.size()), content.data(), content.size());
    }
}

bytes bytes::adopt(std::string&& content) {
    if (content.size() < adopt_bytes_min) {
        return bytes{std::string_view{content}};
    }
    auto* owner = new adopted_block{std::move(content)};
    auto out = bytes{};
    out.owner_ = owner;
    out.data_ = owner->content.data();
    out.size_ = owner->content.size();
    return out;
}

char* bytes::allocate(std::size_t size) {
    auto* memory = static_cast<char*>(::operator new(sizeof(block) + size));
    owner_ = ::new (memory) block{};
    data_ = memory + sizeof(block);
    size_ = size;
    return memory + sizeof(block);
}

void bytes::release(block* owner) noexcept {
    if (owner->uses.fetch_sub(1, std::memory_order_acq_rel) != 1) {
        return;
    }
    if (owner->adopted) {
        delete static_cast<adopted_block*>(owner);
    } else {
        owner->~block();
        ::operator delete(owner);
    }
}

}  // namespace cohort
