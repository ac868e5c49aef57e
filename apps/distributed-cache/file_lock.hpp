#pragma once

#include <cohort/world/result.hpp>

#include <string>

namespace cohort {

/// A lock on a file of its own beside what it guards; the kernel releases it when the process ends,
/// in whatever way. Any number of holders may share it, or one holds it alone. The file stays when
/// the lock goes: removing it would let two processes lock two files of one name.
class file_lock {
public:
    enum class mode { shared, exclusive };

    /// Takes the lock or fails at once.
    ///
    /// Errors: `errc::unavailable` when another process holds it in a way that excludes this one,
    ///         `errc::storage` when the file cannot be made.
    static result<file_lock> take(const std::string& path, mode wanted);

    file_lock(file_lock&& other) noexcept : descriptor_{other.descriptor_} {
        other.descriptor_ = -1;
    }
    file_lock& operator=(file_lock&& other) noexcept {
        std::swap(descriptor_, other.descriptor_);
        return *this;
    }
    ~file_lock();

private:
    explicit file_lock(int descriptor) noexcept : descriptor_{descriptor} {}

    int descriptor_;
};

}  // namespace cohort
