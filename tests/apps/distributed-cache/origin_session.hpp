#pragma once

#include <distributed-cache/origin.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <utility>

namespace cohort {

inline const auto first_owner = write_fence{.space = "cache", .shard = 0, .epoch = 1};

/// A connection to an origin in the hands of an owner, without deadlines.
class origin_session {
public:
    explicit origin_session(std::unique_ptr<origin_connection> connection)
        : connection_{std::move(connection)} {}
    template <class Connection>
    explicit origin_session(result<Connection> opened) {
        EXPECT_TRUE(opened.has_value()) << opened.error().message();
        connection_ = std::make_unique<Connection>(std::move(*opened));
    }

    result<void> activate(const write_fence& owner = first_owner) {
        auto refused = connection_->activate(std::span{&owner, 1}, time_point::max());
        if (!refused) {
            return std::move(refused).error();
        }
        return refused->empty() ? result<void>{} : result<void>{errc::stale_epoch};
    }
    result<origin_row> load(std::string_view key, const write_fence& owner = first_owner) {
        return connection_->load(key, owner, time_point::max());
    }
    result<stored_row> store(std::string_view key, std::string_view content,
                             const write_fence& owner = first_owner) {
        return connection_->store(key, content, owner, time_point::max());
    }
    result<void> erase(std::string_view key, const write_fence& owner = first_owner) {
        return connection_->erase(key, owner, time_point::max());
    }

    origin_connection& operator*() { return *connection_; }
    origin_connection* operator->() { return connection_.get(); }

private:
    std::unique_ptr<origin_connection> connection_;
};

}  // namespace cohort
