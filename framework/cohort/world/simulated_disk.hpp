#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <cohort/world/disk.hpp>
#include <cohort/world/keyed_random.hpp>

namespace cohort {

class simulated_world;

/// The disk of a simulated machine. It keeps what was synced; of the rest, a loss of power leaves
/// some, none, or something else.
class simulated_disk final : public disk {
public:
    simulated_disk(simulated_world& world, keyed_random random) : world_{world}, random_{random} {}

    result<std::unique_ptr<open_file>> open(const std::string& path, mode how) override;
    result<void> rename(const std::string& from, const std::string& to) override;
    result<void> remove(const std::string& path) override;
    result<std::vector<std::string>> list(const std::string& folder) override;
    result<void> make_folder(const std::string& folder) override;
    result<void> sync_folder(const std::string& folder) override;

    /// What a file holds for who reads it now; null when there is none.
    [[nodiscard]] const std::string* find(const std::string& path) const;

    // -- faults ---------------------------------------------------------------------------------

    /// Of a million writes and syncs, how many fail. A write that fails has written a part; a sync
    /// that fails has lost what it should have kept, and the next one says nothing of it.
    void set_errors(std::uint32_t per_million) noexcept { errors_per_million_ = per_million; }
    /// Everything that was not synced is gone, in whole, in part, or with other bytes in it.
    void lose_power();
    /// A new machine: nothing is there.
    void wipe();
    [[nodiscard]] std::uint64_t errors() const noexcept { return errors_; }
    [[nodiscard]] std::uint64_t bytes_lost() const noexcept { return bytes_lost_; }

private:
    friend class simulated_open_file;

    struct inode {
        std::string bytes;
        std::size_t synced = 0;
        bool broken = false;  // a sync failed: what was not kept then never will be
    };
    using names = std::map<std::string, std::shared_ptr<inode>>;

    [[nodiscard]] result<void> call(const char* what, const std::string& path);
    [[nodiscard]] bool fails();
    [[nodiscard]] std::uint64_t draw() { return random_.draw(0, 0, drawn_++); }

    simulated_world& world_;
    keyed_random random_;
    std::uint64_t drawn_ = 0;
    names live_;
    names durable_;  // as a machine finds them that lost power
    std::uint32_t errors_per_million_ = 0;
    std::uint64_t errors_ = 0;
    std::uint64_t bytes_lost_ = 0;
};

}  // namespace cohort
