#include "origin_stub.hpp"

#include <distributed-cache/cache_origin.hpp>

#include <cohort/world/mutant.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace cohort::sim {
namespace {

constexpr std::uint64_t for_troubles = 0x6f72'6967'696e;
constexpr std::size_t content_bytes_max = std::size_t{1} << 20;

error lost() {
    return error{errc::unavailable, "the connection to the origin was lost"}.with(executed::maybe);
}

/// A write whose caller has given up; it takes effect once, or never.
struct late_write {
    std::function<void()> run;
};

}  // namespace

/// One connection of one node.
class origin_stub::connection final : public origin_connection {
public:
    connection(origin_stub& to, simulated_node& node, std::string writer)
        : to_{to}, whole_{node.whole()}, node_{node.index()}, writer_{std::move(writer)} {}

    result<std::vector<write_fence>> activate(std::span<const write_fence> owners,
                                              time_point) override {
        settle();
        ++to_.numbers_.activations;
        if (auto checked = check_owners(owners); !checked) {
            return checked.error();
        }
        auto what = trouble_now();
        auto refused = std::vector<write_fence>{};
        auto act = [this, &refused, owners] {
            for (const auto& owner : owners) {
                if (!to_.activate(owner, writer_)) {
                    refused.push_back(owner);
                }
            }
        };
        if (what == trouble::none || what == trouble::lost_after) {
            act();
        }
        return what == trouble::none ? result<std::vector<write_fence>>{std::move(refused)}
                                     : result<std::vector<write_fence>>{lost()};
    }

    result<origin_row> load(std::string_view key, const write_fence& owner, time_point) override {
        settle();
        ++to_.numbers_.loads;
        ++to_.loads_of_[std::string{key}];
        if (trouble_now() != trouble::none) {
            return error{errc::unavailable, "the origin does not answer"}.with(executed::no);
        }
        if (auto checked = check_fence(to_.newest(owner), owner); !checked) {
            return stale(checked.error(), owner);
        }
        const auto* found = to_.find(key);
        if (found == nullptr) {
            return errc::not_found;
        }
        to_.numbers_.loaded_again += to_.loaded_[{std::string{key}, owner.epoch}]++ != 0 ? 1 : 0;
        return origin_row{bytes{found->content}, found->version};
    }

    result<stored_row> store(std::string_view key, std::string_view content,
                             const write_fence& owner, time_point) override {
        if (auto checked = cohort::check_row(key, content, content_bytes_max); !checked) {
            return checked.error();
        }
        ++to_.numbers_.stores;
        return write<stored_row>(
            owner, [&to = to_, key = std::string{key}, content = std::string{content}, owner,
                    writer = writer_] { return to.store(key, content, owner, writer); });
    }

    result<void> erase(std::string_view key, const write_fence& owner, time_point) override {
        if (auto checked = check_key(key); !checked) {
            return checked;
        }
        ++to_.numbers_.erases;
        return write<void>(owner, [&to = to_, key = std::string{key}, owner, writer = writer_] {
            return to.erase(key, owner, writer);
        });
    }

    result<void> check_row(std::string_view key, std::string_view content) const override {
        return cohort::check_row(key, content, content_bytes_max);
    }
    result<import_counts> import_rows(std::span<const import_row>) override {
        return errc::unsupported;
    }
    result<void> finish_import() override { return errc::unsupported; }
    result<std::vector<audit_row>> read_audit(std::uint64_t, std::size_t) override {
        return errc::unsupported;
    }

private:
    // The thread that calls was stopped on its way here: what it asks for comes later.
    [[nodiscard]] duration behind() { return whole_.node(node_).world().here() - whole_.now(); }
    [[nodiscard]] trouble trouble_now() {
        return behind() > duration::zero() ? trouble::late : to_.draw();
    }

    template <class T, class Call>
    result<T> write(const write_fence& owner, Call call) {
        settle();
        auto what = trouble_now();
        if (what == trouble::refused) {
            return error{errc::unavailable, "the origin takes no connections"}.with(executed::no);
        }
        if (what == trouble::lost_before) {
            return lost();
        }
        if (what == trouble::late) {
            auto stopped = behind();
            auto later = stopped > duration::zero()
                             ? stopped
                             : between(to_.random_.draw(for_troubles, 1, ++to_.drawn_),
                                       std::chrono::milliseconds{1}, std::chrono::seconds{4});
            put_off(
                [call = std::move(call), &to = to_] {
                    --to.late_;
                    auto done = call();
                    ++(done || done.error() == errc::not_found ? to.numbers_.late
                                                               : to.numbers_.late_fenced);
                },
                later);
            return lost();
        }
        auto done = call();
        if (!done && done.error() == errc::stale_epoch) {
            ++to_.numbers_.fenced;
            return stale(done.error(), owner);
        }
        if (what == trouble::lost_after) {
            ++to_.numbers_.answers_lost;
            return lost();
        }
        return done;
    }

    error stale(error why, const write_fence& owner) {
        if (why == errc::stale_epoch) {
            to_.told_.refused_stale(node_, owner);
        }
        return why;
    }

    void put_off(std::function<void()> run, duration later) {
        ++to_.late_;
        open_ = std::make_shared<late_write>(std::move(run));
        whole_.after(later, [open = open_] {
            if (auto last = std::exchange(open->run, nullptr)) {
                last();
            }
        });
    }
    // What became of the last write is known before the next call.
    void settle() {
        if (auto open = std::exchange(open_, nullptr)) {
            if (auto last = std::exchange(open->run, nullptr)) {
                last();
            }
        }
    }

    origin_stub& to_;
    simulation& whole_;
    std::uint32_t node_;
    std::string writer_;
    std::shared_ptr<late_write> open_;
};

origin_stub::origin_stub(std::uint64_t seed, bool networked, std::uint32_t troubles, listener& told)
    : random_{keyed_random{seed}.stream(for_troubles)}, networked_{networked}, troubles_{troubles},
      told_{told} {}

origin_options origin_stub::options(std::string writer) const {
    return {.address = networked_ ? "postgresql://stub@10.9.9.9/cache" : "sqlite:/shared/cache.db",
            .audit = true,
            .writer = std::move(writer),
            .counters = std::make_shared<origin_counters>()};
}

std::vector<std::unique_ptr<origin_connection>> origin_stub::connect(simulated_node& node,
                                                                     std::string writer) {
    auto out = std::vector<std::unique_ptr<origin_connection>>{};
    for (auto i = std::size_t{0}; i < cache_origin::names_of_lanes(options(writer)).size(); ++i) {
        out.push_back(std::make_unique<connection>(*this, node, writer));
    }
    return out;
}

origin_stub::trouble origin_stub::draw() noexcept {
    auto drawn = random_.draw(for_troubles, 0, ++drawn_);
    if (below(drawn, 1000) >= troubles_) {
        return trouble::none;
    }
    constexpr auto all =
        std::array{trouble::refused, trouble::lost_before, trouble::lost_after, trouble::late};
    // A file is not written to when nobody waits any more.
    return all[below(mix(drawn, 1), networked_ ? all.size() : all.size() - 1)];
}

std::optional<std::uint64_t> origin_stub::newest(const write_fence& owner) const {
    auto known = fences_.find({owner.space, owner.shard});
    return known == fences_.end() ? std::nullopt : std::optional{known->second};
}

const origin_stub::row* origin_stub::find(std::string_view key) const {
    auto found = rows_.find(key);
    return found == rows_.end() ? nullptr : &found->second;
}

std::uint64_t origin_stub::loads_of(const std::string& key) const {
    auto found = loads_of_.find(key);
    return found == loads_of_.end() ? 0 : found->second;
}

bool origin_stub::activate(const write_fence& owner, const std::string& writer) {
    auto& fence = fences_[{owner.space, owner.shard}];
    if (fence > owner.epoch) {
        return false;
    }
    fence = owner.epoch;
    note(audit_row::kind::activate, owner, "", 0, writer);
    return true;
}

// With a fence that is not raised by activations, it rises with writes.
void origin_stub::raise(const write_fence& owner) {
    auto& fence = fences_[{owner.space, owner.shard}];
    fence = COHORT_MUTANT(fence_not_raised) ? std::max(fence, owner.epoch) : fence;
}

result<stored_row> origin_stub::store(std::string_view key, std::string_view content,
                                      const write_fence& owner, const std::string& writer) {
    if (auto checked = check_fence(newest(owner), owner); !checked) {
        return checked.error();
    }
    raise(owner);
    auto& kept = rows_[std::string{key}];
    auto created = kept.version == 0;
    kept = {std::string{content}, ++last_version_};
    note(audit_row::kind::store, owner, key, kept.version, writer);
    told_.changed(key, content);
    return stored_row{kept.version, created};
}

result<void> origin_stub::erase(std::string_view key, const write_fence& owner,
                                const std::string& writer) {
    if (auto checked = check_fence(newest(owner), owner); !checked) {
        return checked;
    }
    raise(owner);
    auto found = rows_.find(key);
    if (found == rows_.end()) {
        return errc::not_found;
    }
    note(audit_row::kind::erase, owner, key, found->second.version, writer);
    told_.changed(key, "");
    rows_.erase(found);
    return {};
}

void origin_stub::note(audit_row::kind what, const write_fence& owner, std::string_view key,
                       row_version version, const std::string& writer) {
    auto row = audit_row{.seq = ++audited_,
                         .what = what,
                         .owner = owner,
                         .key = std::string{key},
                         .version = version,
                         .writer = writer};
    if (auto complaint = judge_.take(row)) {
        told_.wrong("I9: " + *complaint);
    }
}

}  // namespace cohort::sim
