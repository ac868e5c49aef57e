#include <cohort/world/asio_disk.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cohort {
namespace {

error failed(const char* what, const std::string& path, int why) {
    return error{why == ENOENT ? errc::not_found : errc::storage,
                 std::string{"cannot "} + what + " " + path + ": " + std::strerror(why)};
}

class descriptor {
public:
    explicit descriptor(int value) noexcept : value_{value} {}
    descriptor(const descriptor&) = delete;
    descriptor& operator=(const descriptor&) = delete;
    ~descriptor() {
        if (value_ >= 0) {
            ::close(value_);
        }
    }
    [[nodiscard]] int value() const noexcept { return value_; }

private:
    int value_;
};

class real_file final : public open_file {
public:
    real_file(std::string path, int handle, std::uint64_t size)
        : path_{std::move(path)}, handle_{handle}, size_{size} {}

    result<void> append(std::span<const std::byte> data) override {
        while (!data.empty()) {
            auto written = ::write(handle_.value(), data.data(), data.size());
            if (written < 0) {
                if (errno == EINTR) {
                    continue;
                }
                return failed("write", path_, errno);
            }
            size_ += static_cast<std::uint64_t>(written);
            data = data.subspan(static_cast<std::size_t>(written));
        }
        return {};
    }
    result<void> sync() override {
        return ::fdatasync(handle_.value()) == 0 ? result<void>{} : failed("sync", path_, errno);
    }
    std::uint64_t size() const noexcept override { return size_; }

private:
    std::string path_;
    descriptor handle_;
    std::uint64_t size_;
};

class real_disk final : public disk {
public:
    result<std::unique_ptr<open_file>> open(const std::string& path, mode how) override {
        auto flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
        auto handle = ::open(path.c_str(), how == mode::replace ? flags | O_TRUNC : flags, 0644);
        if (handle < 0) {
            return failed("open", path, errno);
        }
        struct ::stat about{};
        if (::fstat(handle, &about) != 0) {
            auto why = errno;
            ::close(handle);
            return failed("open", path, why);
        }
        return std::unique_ptr<open_file>{
            std::make_unique<real_file>(path, handle, static_cast<std::uint64_t>(about.st_size))};
    }
    result<void> rename(const std::string& from, const std::string& to) override {
        return ::rename(from.c_str(), to.c_str()) == 0 ? result<void>{}
                                                       : failed("rename", from, errno);
    }
    result<void> remove(const std::string& path) override {
        return ::unlink(path.c_str()) == 0 ? result<void>{} : failed("remove", path, errno);
    }
    result<std::vector<std::string>> list(const std::string& folder) override {
        auto failure = std::error_code{};
        auto names = std::vector<std::string>{};
        auto each = std::filesystem::directory_iterator{folder, failure};
        while (!failure && each != std::filesystem::directory_iterator{}) {
            names.push_back(each->path().filename().string());
            each.increment(failure);
        }
        if (failure) {
            return failed("list", folder, failure.value());
        }
        std::sort(names.begin(), names.end());
        return names;
    }
    result<void> make_folder(const std::string& folder) override {
        auto failure = std::error_code{};
        std::filesystem::create_directories(folder, failure);
        return failure ? failed("make", folder, failure.value()) : result<void>{};
    }
    result<void> sync_folder(const std::string& folder) override {
        auto handle = descriptor{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        if (handle.value() < 0) {
            return failed("open", folder, errno);
        }
        return ::fsync(handle.value()) == 0 ? result<void>{} : failed("sync", folder, errno);
    }
};

}  // namespace

std::unique_ptr<disk> make_real_disk() { return std::make_unique<real_disk>(); }

}  // namespace cohort
