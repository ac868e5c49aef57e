#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <cohort/world/result.hpp>

namespace cohort {

/// A file that is written at its end.
///
/// Thread: one at a time, a worker's; calls block.
class open_file {
public:
    virtual ~open_file() = default;
    /// Errors: `storage`; a part may have been written.
    [[nodiscard]] virtual result<void> append(std::span<const std::byte> data) = 0;
    /// What was appended survives the loss of power when this has returned. Errors: `storage`;
    /// then it is unknown what survives, and a second try proves nothing: write another file.
    [[nodiscard]] virtual result<void> sync() = 0;
    [[nodiscard]] virtual std::uint64_t size() const noexcept = 0;
};

/// The writable part of a node's file system; `world::read_file` reads it.
///
/// Thread: any; calls block. Errors: `storage` with the path and the system's words, `not_found`
/// where a path does not exist.
class disk {
public:
    enum class mode : std::uint8_t { append, replace };

    virtual ~disk() = default;
    /// Opens for appending; makes the file when there is none. `replace` begins an empty one. The
    /// name of a new file survives the loss of power after `sync_folder`.
    [[nodiscard]] virtual result<std::unique_ptr<open_file>> open(const std::string& path,
                                                                  mode how) = 0;
    /// Gives a file another name, in one step; a file of that name is gone then. Survives the loss
    /// of power after `sync_folder`.
    [[nodiscard]] virtual result<void> rename(const std::string& from, const std::string& to) = 0;
    [[nodiscard]] virtual result<void> remove(const std::string& path) = 0;
    /// The names in a folder, sorted.
    [[nodiscard]] virtual result<std::vector<std::string>> list(const std::string& folder) = 0;
    /// Makes a folder, and those above it, where they do not exist.
    [[nodiscard]] virtual result<void> make_folder(const std::string& folder) = 0;
    [[nodiscard]] virtual result<void> sync_folder(const std::string& folder) = 0;
};

}  // namespace cohort
