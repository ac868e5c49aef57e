#include <distributed-cache/file_lock.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace cohort {

result<file_lock> file_lock::take(const std::string& path, mode wanted) {
    auto descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0) {
        return error{
            errc::storage,
            fmt::format("cannot make the lock file: {}", std::generic_category().message(errno)),
            path};
    }
    auto lock = file_lock{descriptor};
    auto operation = (wanted == mode::exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
    while (::flock(descriptor, operation) != 0) {
        if (errno == EWOULDBLOCK) {
            return error{errc::unavailable, "another process holds it", path};
        }
        if (errno != EINTR) {
            return error{errc::storage,
                         fmt::format("cannot lock: {}", std::generic_category().message(errno)),
                         path};
        }
    }
    return lock;
}

file_lock::~file_lock() {
    if (descriptor_ >= 0) {
        ::close(descriptor_);
    }
}

}  // namespace cohort
