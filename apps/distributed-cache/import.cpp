#include <distributed-cache/import.hpp>

namespace cohort {
namespace {

constexpr std::uint64_t progress_every_rows = 512;

class importer {
public:
    importer(const import_hooks& hooks, import_format& format, sqlite_origin& origin,
             const import_options& options)
        : hooks_{hooks}, format_{format}, origin_{origin}, options_{options},
          lines_{options.line_bytes_max} {}

    import_report run() {
        read_all();
        if (!origin_failure_ && commit()) {
            if (auto moved = origin_.checkpoint(); !moved) {
                origin_failure_ = moved.error();
            }
        }
        if (origin_failure_ && in_batch_) {
            origin_.abandon();
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
        if (!in_batch_) {
            if (auto begun = origin_.begin(); !begun) {
                origin_failure_ = begun.error();
                return false;
            }
            in_batch_ = true;
        }
        auto written = origin_.import_row(record.key, record.content);
        if (!written) {
            auto& reason = written.error();
            if (reason == errc::invalid || reason == errc::too_large) {
                return refuse({record.line, std::string{reason.text()}});
            }
            origin_failure_ = reason;
            return false;
        }
        batch_.line = at_line_;
        ++(*written == sqlite_origin::imported::added      ? batch_.added
           : *written == sqlite_origin::imported::replaced ? batch_.replaced
                                                           : batch_.unchanged);
        batch_bytes_ += record.key.size() + record.content.size();
        if ((committed_.rows() + batch_.rows()) % progress_every_rows == 0) {
            hooks_.progress(committed_.rows() + batch_.rows(), bytes_);
        }
        auto full =
            batch_.rows() >= options_.rows_per_commit || batch_bytes_ >= options_.bytes_per_commit;
        return !full || commit();
    }

    bool commit() {
        if (in_batch_) {
            in_batch_ = false;
            if (auto done = origin_.commit(); !done) {
                origin_failure_ = done.error();
                return false;
            }
        }
        committed_.added += batch_.added;
        committed_.replaced += batch_.replaced;
        committed_.unchanged += batch_.unchanged;
        committed_.refused += batch_.refused;
        committed_.line = batch_.line;
        committed_.interrupted = batch_.interrupted;
        batch_ = import_report{.line = batch_.line};
        batch_bytes_ = 0;
        return true;
    }

    const import_hooks& hooks_;
    import_format& format_;
    sqlite_origin& origin_;
    const import_options& options_;
    line_splitter lines_;
    import_report committed_;
    import_report batch_;
    std::optional<error> input_failure_;
    std::optional<error> origin_failure_;
    std::uint64_t at_line_ = 0;
    std::uint64_t bytes_ = 0;
    std::size_t batch_bytes_ = 0;
    bool in_batch_ = false;
};

}  // namespace

import_report run_import(const import_hooks& hooks, import_format& format, sqlite_origin& origin,
                         const import_options& options) {
    return importer{hooks, format, origin, options}.run();
}

}  // namespace cohort
