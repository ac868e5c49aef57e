#include <distributed-cache/import.hpp>

#include <string>
#include <vector>

namespace cohort {
namespace {

constexpr std::uint64_t progress_every_rows = 512;

class importer {
public:
    importer(const import_hooks& hooks, import_format& format, origin_connection& origin,
             const import_options& options)
        : hooks_{hooks}, format_{format}, origin_{origin}, options_{options},
          lines_{options.line_bytes_max} {}

    import_report run() {
        read_all();
        if (!origin_failure_ && commit()) {
            if (auto finished = origin_.finish_import(); !finished) {
                origin_failure_ = finished.error();
            }
        }
        committed_.failure = origin_failure_ ? origin_failure_ : input_failure_;
        return committed_;
    }

private:
    void read_all() {
        for (auto ended = false; !ended;) {
            auto got = hooks_.read(lines_.room());
            if (!got) {
                if (got.error() == errc::cancelled) {
                    batch_.interrupted = true;
                } else {
                    input_failure_ = got.error();
                }
                return;
            }
            bytes_ += *got;
            lines_.filled(*got);
            ended = *got == 0;
            if (ended) {
                lines_.finish();
            }
            while (auto line = lines_.next()) {
                at_line_ = line->number;
                if (!settle(format_.take(*line))) {
                    return;
                }
            }
        }
        static_cast<void>(settle(format_.finish()));
    }

    /// Takes what a line completed; false when the import ends here.
    bool settle(const import_item& item) {
        if (auto* refusal = std::get_if<import_refusal>(&item)) {
            return refuse(*refusal);
        }
        auto* record = std::get_if<import_record>(&item);
        if (record == nullptr) {
            return true;
        }
        if (hooks_.interrupted()) {
            batch_.interrupted = true;
            return false;
        }
        return write(*record);
    }

    bool refuse(const import_refusal& refusal) {
        ++batch_.refused;
        batch_.line = at_line_;
        hooks_.refused(refusal);
        return options_.skip_bad;
    }

    bool write(const import_record& record) {
        if (auto checked = origin_.check_row(record.key, record.content); !checked) {
            return refuse({record.line, std::string{checked.error().text()}});
        }
        rows_.push_back({std::string{record.key}, std::string{record.content}});
        batch_.line = at_line_;
        batch_bytes_ += record.key.size() + record.content.size();
        auto taken = committed_.rows() + rows_.size();
        if (taken % progress_every_rows == 0) {
            hooks_.progress(taken, bytes_);
        }
        auto full =
            rows_.size() >= options_.rows_per_commit || batch_bytes_ >= options_.bytes_per_commit;
        return !full || commit();
    }

    bool commit() {
        if (!rows_.empty()) {
            auto borrowed = std::vector<import_row>{};
            borrowed.reserve(rows_.size());
            for (const auto& row : rows_) {
                borrowed.push_back({row.key, row.content});
            }
            auto counts = origin_.import_rows(borrowed);
            if (!counts) {
                origin_failure_ = counts.error();
                return false;
            }
            committed_.added += counts->added;
            committed_.replaced += counts->replaced;
            committed_.unchanged += counts->unchanged;
            rows_.clear();
        }
        committed_.refused += batch_.refused;
        committed_.line = batch_.line;
        committed_.interrupted = batch_.interrupted;
        batch_ = import_report{.line = batch_.line};
        batch_bytes_ = 0;
        return true;
    }

    const import_hooks& hooks_;
    import_format& format_;
    origin_connection& origin_;
    const import_options& options_;
    line_splitter lines_;
    import_report committed_;
    import_report batch_;
    std::optional<error> input_failure_;
    std::optional<error> origin_failure_;
    std::uint64_t at_line_ = 0;
    std::uint64_t bytes_ = 0;
    struct kept_row {
        std::string key;
        std::string content;
    };
    std::vector<kept_row> rows_;  // of the batch that is not committed yet
    std::size_t batch_bytes_ = 0;
};

}  // namespace

import_report run_import(const import_hooks& hooks, import_format& format,
                         origin_connection& origin, const import_options& options) {
    return importer{hooks, format, origin, options}.run();
}

}  // namespace cohort
