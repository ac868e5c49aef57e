#pragma once

#include <distributed-cache/origin.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace cohort {

/// A row as one line of JSON, its key in hexadecimal digits because it may be any bytes.
[[nodiscard]] std::string audit_line(const audit_row& row);

/// Judges an audit, row by row in its order: whether a shard ever had two owners.
class audit_judge {
public:
    /// A sentence when the row proves two owners: it is of an older epoch than one before it, or of
    /// an owner that another one of the same epoch had followed already.
    std::optional<std::string> take(const audit_row& row);

    [[nodiscard]] std::uint64_t rows() const noexcept { return rows_; }
    [[nodiscard]] std::uint64_t violations() const noexcept { return violations_; }
    [[nodiscard]] std::size_t shards() const noexcept { return newest_.size(); }

private:
    struct shard_state {
        std::uint64_t epoch = 0;
        std::uint64_t seq = 0;
        std::string writer;
        std::set<std::string> former_writers;  // of this epoch
    };

    std::map<std::pair<std::string, std::uint32_t>, shard_state> newest_;
    std::uint64_t rows_ = 0;
    std::uint64_t violations_ = 0;
};

}  // namespace cohort
