#include "base/journal.h"

#include "base/env.h"
#include "base/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace holdfast {
namespace {

constexpr std::string_view segment_prefix = "segment-";
constexpr std::string_view unfinished_suffix = ".new";
constexpr std::size_t number_digits = 16; // in hexadecimal

std::string name_of(std::uint64_t number) {
    return fmt::format("{}{:0{}x}", segment_prefix, number, number_digits);
}

/// The number of a segment by its name; empty for other files, which are none of our business
/// (lost+found, for one, when the directory is a file system of its own).
std::optional<std::uint64_t> number_of(std::string_view name) {
    if (!name.starts_with(segment_prefix)) return std::nullopt;
    const std::string_view digits = name.substr(segment_prefix.size());
    std::uint64_t number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
    return name == name_of(number) ? std::optional(number) : std::nullopt;
}

/// In order. Others are left alone.
Result<std::vector<std::uint64_t>> segment_numbers(JournalFiles& files) {
    TRY(const std::vector<std::string> names, files.names());
    std::vector<std::uint64_t> numbers;
    for (const std::string& name : names)
        if (const auto number = number_of(name)) numbers.push_back(*number);
    std::ranges::sort(numbers);
    return numbers;
}

std::unexpected<Error> full(std::string why) {
    return fail(Error{.kind = ErrorClass::Overload,
                      .code = "journal_full",
                      .message = std::move(why),
                      .retryable = true});
}

bool fits(const JournalLimits& limits) {
    return limits.segment_bytes >= segment_bytes_min && limits.segment_bytes <= segment_bytes_max &&
           limits.segment_bytes % segment_header_bytes == 0 &&
           limits.bytes_max >= limits.segment_bytes;
}

} // namespace

Journal::Journal(std::unique_ptr<JournalFiles> files, const SecretString& secret,
                 JournalLimits limits)
    : files_(std::move(files)), key_(secret), limits_(limits) {}

Result<std::unique_ptr<Journal>> Journal::open(std::unique_ptr<JournalFiles> files,
                                               const SecretString& secret, JournalLimits limits) {
    if (!fits(limits)) {
        return fail(ErrorClass::Invalid, "journal_limits",
                    fmt::format("a segment has {} to {} bytes, in pages of {}, and the journal at "
                                "least as many",
                                segment_bytes_min, segment_bytes_max, segment_header_bytes));
    }
    std::unique_ptr<Journal> journal(new Journal(std::move(files), secret, limits));
    TRY(journal->lock_, journal->files_->lock());
    TRY_VOID(journal->recover());
    // Full is no reason to stay closed: what is there has to be read and released.
    if (auto begun = journal->begin_segment(); !begun && begun.error().code != "journal_full")
        return fail(std::move(begun.error()));
    return journal;
}

Result<void> Journal::recover() {
    TRY(const std::vector<std::string> names, files_->names());
    for (const std::string& name : names)
        if (name.starts_with(segment_prefix) && name.ends_with(unfinished_suffix))
            TRY_VOID(files_->remove(name));
    TRY(const std::vector<std::uint64_t> numbers, segment_numbers(*files_));
    for (const std::uint64_t number : numbers)
        TRY_VOID(recover_segment(number, number == numbers.back()));
    synced_through_ = next_sequence_ - 1;
    return {};
}

Result<void> Journal::recover_segment(std::uint64_t number, bool last) {
    const std::string name = name_of(number);
    TRY(std::string bytes, files_->read(name, segment_bytes_max));
    TRY(SegmentReader reader, SegmentReader::open(name, std::move(bytes), key_));
    const SegmentHeader& header = reader.header();
    if (header.number != number) return fail(reader.corrupt("it is another segment by its header"));
    if (!segments_.empty() && header.first_sequence != next_sequence_)
        return fail(reader.corrupt(fmt::format("it begins with record {} instead of {}",
                                               header.first_sequence, next_sequence_)));
    while (true) {
        TRY(const std::optional<JournalRecord> record, reader.next());
        if (!record) break;
        ++recovery_.records;
    }
    // The end of a segment was durable before its successor began.
    if (!last && !reader.at_end()) return fail(reader.corrupt("records are missing"));
    next_sequence_ = reader.next_sequence();
    segments_.push_back({number, header.first_sequence, reader.offset()});
    if (!last) return {};
    if (const std::size_t torn = reader.torn_bytes(); torn > 0) {
        recovery_.cut = {.file = name, .offset = reader.offset(), .bytes = torn};
        log::warn("journal_tail_cut",
                  {{"file", name}, {"offset", reader.offset()}, {"bytes", torn}});
    }
    // Also when nothing is torn: what was read may only have been in memory, and from now on it
    // counts as synced.
    TRY(const std::unique_ptr<JournalFile> file, files_->open(name));
    return file->cut(reader.offset());
}

Result<void> Journal::room_for_segment() const {
    std::uint64_t bytes = limits_.segment_bytes;
    for (const Segment& segment : segments_) bytes += segment.bytes;
    if (bytes <= limits_.bytes_max) return {};
    return full(fmt::format("the journal may have {} bytes", limits_.bytes_max));
}

Result<void> Journal::begin_segment() {
    TRY_VOID(room_for_segment());
    // A segment without records is replaced: all that it says is where the next one begins.
    const bool replaces = !segments_.empty() && segments_.back().first_sequence == next_sequence_;
    SegmentHeader header{.number = segments_.empty() ? 1 : segments_.back().number + !replaces,
                         .first_sequence = next_sequence_,
                         .key_id = key_.id()};
    Env::current().fill_random(std::as_writable_bytes(std::span(header.salt)));
    const std::string name = name_of(header.number);
    const std::string unfinished = name + std::string(unfinished_suffix);
    // Under its final name a segment is always whole.
    TRY(auto file, files_->create(unfinished, limits_.segment_bytes));
    TRY_VOID(file->write(0, encode_segment_header(header, key_)));
    TRY_VOID(file->sync());
    TRY_VOID(files_->rename(unfinished, name));
    TRY_VOID(files_->sync_names());
    if (replaces) segments_.pop_back();
    segments_.push_back({header.number, header.first_sequence, segment_header_bytes});
    current_.emplace(std::move(file), SegmentCipher(key_, header, SegmentCipher::Use::Seal));
    return {};
}

/// Makes the current segment durable and gives back what it did not use.
Result<void> Journal::end_segment() {
    if (!current_) return {};
    if (auto cut = current_->file->cut(segments_.back().bytes); !cut) return end(cut.error());
    synced_through_ = next_sequence_ - 1;
    current_.reset();
    return {};
}

Result<std::uint64_t> Journal::append(std::string_view record) {
    if (ended_) return fail(*ended_);
    if (record.size() > journal_record_bytes_max) {
        return fail(ErrorClass::Invalid, "journal_record_too_large",
                    fmt::format("a record has {} bytes, at most {}", record.size(),
                                journal_record_bytes_max));
    }
    const std::size_t size = record_bytes(record.size());
    if (!current_ || segments_.back().bytes + size > limits_.segment_bytes) {
        TRY_VOID(room_for_segment());
        TRY_VOID(end_segment());
        if (auto begun = begin_segment(); !begun) {
            if (begun.error().code == "journal_full") return full(begun.error().message);
            return end(begun.error());
        }
    }
    Segment& segment = segments_.back();
    const std::string sealed = current_->cipher.seal(next_sequence_, synced_through_, record);
    if (auto written = current_->file->write(segment.bytes, sealed); !written)
        return end(written.error());
    segment.bytes += size;
    return next_sequence_++;
}

Result<void> Journal::sync() {
    if (ended_) return fail(*ended_);
    if (synced_through_ + 1 == next_sequence_) return {};
    if (auto synced = current_->file->sync(); !synced) return end(synced.error());
    synced_through_ = next_sequence_ - 1;
    return {};
}

std::unexpected<Error> Journal::end(const Error& cause) {
    log::error("journal_failed", {{"error", cause.message},
                                  {"synced_through", synced_through_},
                                  {"next_sequence", next_sequence_}});
    ended_ = Error{.kind = ErrorClass::Io,
                   .code = "journal_failed",
                   .message = fmt::format("the journal ended because its disk failed ({}); what "
                                          "was synced is safe, open it again",
                                          cause.message)};
    return fail(*ended_);
}

Result<void> Journal::release(std::uint64_t through) {
    bool removed = false;
    while (segments_.size() > 1 && segments_[1].first_sequence - 1 <= through) {
        TRY_VOID(files_->remove(name_of(segments_.front().number)));
        segments_.erase(segments_.begin());
        removed = true;
    }
    return removed ? files_->sync_names() : Result<void>();
}

Result<void> Journal::close() {
    if (ended_) return fail(*ended_);
    TRY_VOID(end_segment());
    ended_ = Error{
        .kind = ErrorClass::Io, .code = "journal_closed", .message = "the journal was closed"};
    return {};
}

JournalStats Journal::stats() const {
    JournalStats stats{
        .oldest_sequence = segments_.empty() ? next_sequence_ : segments_.front().first_sequence,
        .next_sequence = next_sequence_,
        .synced_through = synced_through_,
        .segments = segments_.size()};
    for (const Segment& segment : segments_) stats.bytes += segment.bytes;
    if (current_) stats.bytes += limits_.segment_bytes - segments_.back().bytes;
    return stats;
}

JournalReader Journal::read(std::uint64_t from) const {
    return JournalReader(*this, from, ended_ ? synced_through_ : next_sequence_ - 1);
}

Result<SegmentReader> Journal::open_segment(const Segment& segment) const {
    const std::string name = name_of(segment.number);
    TRY(std::string bytes, files_->read(name, segment_bytes_max));
    bytes.resize(segment.bytes); // were it shorter, zeros would tell
    return SegmentReader::open(name, std::move(bytes), key_);
}

namespace {

/// `last`: it may end in the middle of a record.
Result<std::vector<JournalRecord>> read_segment(JournalFiles& files, const JournalKey& key,
                                                std::uint64_t number, bool last) {
    const std::string name = name_of(number);
    TRY(std::string bytes, files.read(name, segment_bytes_max));
    TRY(SegmentReader reader, SegmentReader::open(name, std::move(bytes), key));
    std::vector<JournalRecord> records;
    while (true) {
        TRY(std::optional<JournalRecord> record, reader.next());
        if (!record) break;
        records.push_back(std::move(*record));
    }
    if (!last && !reader.at_end()) return fail(reader.corrupt("records are missing"));
    return records;
}

} // namespace

Result<void> read_journal(JournalFiles& files, const SecretString& secret,
                          const std::function<Result<void>(const JournalRecord&)>& each) {
    const JournalKey key(secret);
    TRY(const std::vector<std::uint64_t> numbers, segment_numbers(files));
    for (const std::uint64_t number : numbers) {
        const bool last = number == numbers.back();
        auto records = read_segment(files, key, number, last);
        if (!records) { // released, or written to, while it was read?
            TRY(const std::vector<std::uint64_t> left, segment_numbers(files));
            if (!std::ranges::binary_search(left, number)) continue;
            records = read_segment(files, key, number, last);
        }
        TRY(const std::vector<JournalRecord> found, std::move(records));
        for (const JournalRecord& record : found) TRY_VOID(each(record));
    }
    return {};
}

Result<std::optional<JournalRecord>> JournalReader::next() {
    from_ = std::max(from_, journal_->stats().oldest_sequence);
    while (from_ <= through_) {
        if (!segment_) {
            const auto behind = std::ranges::upper_bound(journal_->segments_, from_, {},
                                                         &Journal::Segment::first_sequence);
            TRY(segment_, journal_->open_segment(*std::prev(behind)));
        }
        TRY(std::optional<JournalRecord> record, segment_->next());
        if (record && record->sequence >= from_) {
            from_ = record->sequence + 1;
            return record;
        }
        if (record) continue;
        if (!segment_->at_end()) return fail(segment_->corrupt("records are missing"));
        segment_.reset();
    }
    return std::optional<JournalRecord>();
}

} // namespace holdfast
