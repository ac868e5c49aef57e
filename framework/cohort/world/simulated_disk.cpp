#include <cohort/world/simulated_disk.hpp>

#include <algorithm>
#include <utility>

#include <cohort/world/simulated_world.hpp>

namespace cohort {
namespace {

constexpr std::size_t block_size = 512;

std::string folder_of(const std::string& path) {
    auto slash = path.rfind('/');
    return slash == std::string::npos ? std::string{} : path.substr(0, slash);
}
std::string without_end(std::string folder) {
    while (folder.ends_with('/')) {
        folder.pop_back();
    }
    return folder;
}

error missing(const char* what, const std::string& path) {
    return error{errc::not_found,
                 std::string{"cannot "} + what + " " + path + ": No such file or directory"};
}

}  // namespace

/// A file as it was opened: renaming it does not concern who has it open.
class simulated_open_file final : public open_file {
public:
    simulated_open_file(simulated_disk& disk, std::string path,
                        std::shared_ptr<simulated_disk::inode> node)
        : disk_{disk}, path_{std::move(path)}, node_{std::move(node)} {}

    result<void> append(std::span<const std::byte> data) override {
        auto alive = disk_.call("write", path_);
        if (!alive) {
            return alive;
        }
        auto text = std::string_view{reinterpret_cast<const char*>(data.data()), data.size()};
        if (disk_.fails()) {
            node_->bytes += text.substr(0, below(disk_.draw(), text.size() + 1));
            return error{errc::storage, "cannot write " + path_ + ": Input/output error"};
        }
        node_->bytes += text;
        return {};
    }

    result<void> sync() override {
        auto alive = disk_.call("sync", path_);
        if (!alive) {
            return alive;
        }
        if (disk_.fails()) {
            node_->broken = true;
            return error{errc::storage, "cannot sync " + path_ + ": Input/output error"};
        }
        if (!node_->broken) {
            node_->synced = node_->bytes.size();
        }
        return {};
    }

    std::uint64_t size() const noexcept override { return node_->bytes.size(); }

private:
    simulated_disk& disk_;
    std::string path_;
    std::shared_ptr<simulated_disk::inode> node_;
};

// What a node that is gone asks for does not happen.
result<void> simulated_disk::call(const char* what, const std::string& path) {
    world_.seam();
    if (world_.silent()) {
        return error{errc::storage,
                     std::string{"cannot "} + what + " " + path + ": the node is gone"};
    }
    world_.network().trace(0xd1'5c, world_.index(), path.size());
    return {};
}

bool simulated_disk::fails() {
    if (errors_per_million_ == 0 || below(draw(), 1'000'000) >= errors_per_million_) {
        return false;
    }
    ++errors_;
    return true;
}

const std::string* simulated_disk::find(const std::string& path) const {
    auto found = live_.find(path);
    return found == live_.end() ? nullptr : &found->second->bytes;
}

result<std::unique_ptr<open_file>> simulated_disk::open(const std::string& path, mode how) {
    if (auto alive = call("open", path); !alive) {
        return alive.error();
    }
    auto& node = live_[path];
    if (!node || how == mode::replace) {
        node = std::make_shared<inode>();
    }
    return std::unique_ptr<open_file>{std::make_unique<simulated_open_file>(*this, path, node)};
}

result<void> simulated_disk::rename(const std::string& from, const std::string& to) {
    if (auto alive = call("rename", from); !alive) {
        return alive;
    }
    auto found = live_.find(from);
    if (found == live_.end()) {
        return missing("rename", from);
    }
    auto node = std::move(found->second);
    live_.erase(found);
    live_[to] = std::move(node);
    return {};
}

result<void> simulated_disk::remove(const std::string& path) {
    if (auto alive = call("remove", path); !alive) {
        return alive;
    }
    return live_.erase(path) != 0 ? result<void>{} : missing("remove", path);
}

result<std::vector<std::string>> simulated_disk::list(const std::string& folder) {
    if (auto alive = call("list", folder); !alive) {
        return alive.error();
    }
    auto out = std::vector<std::string>{};
    for (const auto& [path, node] : live_) {
        if (folder_of(path) == without_end(folder)) {
            out.push_back(path.substr(path.rfind('/') + 1));
        }
    }
    return out;
}

// Folders are there as soon as a file is in them.
result<void> simulated_disk::make_folder(const std::string& folder) { return call("make", folder); }

result<void> simulated_disk::sync_folder(const std::string& folder) {
    if (auto alive = call("sync", folder); !alive) {
        return alive;
    }
    if (fails()) {
        return error{errc::storage, "cannot sync " + folder + ": Input/output error"};
    }
    auto here = [at = without_end(folder)](const auto& each) {
        return folder_of(each.first) == at;
    };
    std::erase_if(durable_, here);
    std::copy_if(live_.begin(), live_.end(), std::inserter(durable_, durable_.end()), here);
    return {};
}

void simulated_disk::lose_power() {
    // Some names reach the disk without being asked to, in whatever order.
    for (const auto& [path, node] : live_) {
        if (!durable_.contains(path) && draw() % 2 == 0) {
            durable_[path] = node;
        }
    }
    auto nodes = std::set<inode*>{};  // each once, in the order of the names below
    for (auto& [path, node] : durable_) {
        if (!nodes.insert(node.get()).second) {
            continue;
        }
        auto unsynced = node->bytes.size() - node->synced;
        auto kept = below(draw(), unsynced + 1);
        bytes_lost_ += unsynced - kept;
        node->bytes.resize(node->synced + kept);
        // A block of what was not synced may have its length and not its bytes.
        if (kept != 0 && draw() % 4 == 0) {
            auto at = node->synced + below(draw(), kept);
            auto length = std::min(block_size, node->bytes.size() - at);
            std::fill_n(node->bytes.begin() + static_cast<std::ptrdiff_t>(at), length, '\0');
        }
        node->synced = node->bytes.size();
        node->broken = false;
    }
    live_ = durable_;
}

void simulated_disk::wipe() {
    live_.clear();
    durable_.clear();
}

}  // namespace cohort
