#include "base/journal.h"

#include "base/journal_memory.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace holdfast {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr JournalLimits small = {.segment_bytes = segment_bytes_min, .bytes_max = 1 << 20};
constexpr std::size_t large = 60'000; // two fit into a small segment

const SecretString secret{std::string("a secret of the journal's tests, 0123456789")};

std::string code_of(const auto& result) { return result ? "" : result.error().code; }

/// No two numbers give the same, nor do two places in a payload look the same for long.
std::string payload_of(std::uint64_t number, std::size_t size) {
    std::string payload(size, '\0');
    for (std::size_t at = 0; at < size; at += 500) {
        const std::string mark = fmt::format("{}@{} ", number, at);
        payload.replace(at, std::min(mark.size(), size - at), mark, 0, size - at);
    }
    return payload;
}

std::vector<JournalRecord> read_all(const Journal& journal, std::uint64_t from = 0) {
    std::vector<JournalRecord> records;
    JournalReader reader = journal.read(from);
    while (true) {
        auto record = reader.next();
        EXPECT_TRUE(record) << to_string(record.error());
        if (!record || !*record) return records;
        records.push_back(std::move(**record));
    }
}

std::vector<std::string> payloads(const Journal& journal) {
    std::vector<std::string> texts;
    for (JournalRecord& record : read_all(journal)) texts.push_back(std::move(record.payload));
    return texts;
}

std::vector<std::uint64_t> sequences(const Journal& journal, std::uint64_t from = 0) {
    std::vector<std::uint64_t> numbers;
    for (const JournalRecord& record : read_all(journal, from)) numbers.push_back(record.sequence);
    return numbers;
}

class JournalTest : public testing::Test {
  protected:
    Result<void> open(JournalLimits limits = small) {
        journal_.reset();
        TRY(journal_, Journal::open(disk_.mount(), secret, limits));
        return {};
    }
    void reopen(JournalLimits limits = small) {
        const auto opened = open(limits);
        ASSERT_TRUE(opened) << to_string(opened.error());
    }
    void crash() {
        journal_.reset();
        disk_.crash(env_);
    }
    void append(std::string_view record) {
        const auto added = journal_->append(record);
        ASSERT_TRUE(added) << to_string(added.error());
    }
    void append_synced(std::string_view record) {
        append(record);
        ASSERT_TRUE(journal_->sync());
    }
    void append_large(std::uint64_t count) {
        for (std::uint64_t n = 1; n <= count; ++n) append_synced(payload_of(n, large));
    }
    /// Changes bytes of a file as a failing disk would.
    void overwrite(const std::string& name, std::size_t offset, std::string_view bytes) {
        std::string text = disk_.contents().at(name);
        text.replace(offset, bytes.size(), bytes);
        disk_.damage(name, text);
    }

    SimEnv env_{20261121};
    MemoryDisk disk_;
    std::unique_ptr<Journal> journal_;
};

constexpr const char* first_segment = "segment-0000000000000001";
constexpr const char* second_segment = "segment-0000000000000002";

TEST_F(JournalTest, KeepsRecordsInOrder) {
    reopen();
    EXPECT_EQ(*journal_->append("one"), 1U);
    EXPECT_EQ(*journal_->append(""), 2U);
    EXPECT_EQ(*journal_->append("three"), 3U);
    EXPECT_THAT(payloads(*journal_), ElementsAre("one", "", "three"));
    EXPECT_THAT(sequences(*journal_, 2), ElementsAre(2U, 3U));
    ASSERT_TRUE(journal_->close());
    reopen();
    EXPECT_EQ(journal_->recovery().records, 3U);
    EXPECT_FALSE(journal_->recovery().cut);
    EXPECT_EQ(*journal_->append("four"), 4U);
    EXPECT_THAT(payloads(*journal_), ElementsAre("one", "", "three", "four"));
}

TEST_F(JournalTest, RecordsSurviveFromTheSyncThatSucceeded) {
    for (int round = 0; round < 50; ++round) {
        reopen();
        const std::uint64_t known = journal_->stats().next_sequence;
        append(payload_of(known, 3'000));
        append_synced(payload_of(known + 1, 20));
        append(payload_of(known + 2, 2'000));
        crash();
        reopen();
        ASSERT_GE(journal_->stats().next_sequence, known + 2) << round;
        ASSERT_EQ(read_all(*journal_, known).front().payload, payload_of(known, 3'000));
        ASSERT_TRUE(journal_->release(known + 2));
    }
}

TEST_F(JournalTest, SurvivesTheProcessWithoutASync) {
    reopen();
    append("not synced");
    reopen(); // kill -9: what was written is in the hands of the kernel
    EXPECT_THAT(payloads(*journal_), ElementsAre("not synced"));
    crash(); // and opening has made it durable
    reopen();
    EXPECT_THAT(payloads(*journal_), ElementsAre("not synced"));
}

TEST_F(JournalTest, CutsATornTailAndTells) {
    reopen();
    append_synced("kept");
    const auto offset = segment_header_bytes + record_bytes(4);
    append(payload_of(2, 4'000));
    append("behind the torn one");
    journal_.reset();
    overwrite(first_segment, 8 * sector_bytes + 2 * sector_bytes, std::string(sector_bytes, '\0'));
    reopen();
    ASSERT_TRUE(journal_->recovery().cut);
    EXPECT_EQ(journal_->recovery().cut->file, first_segment);
    EXPECT_EQ(journal_->recovery().cut->offset, offset);
    EXPECT_GT(journal_->recovery().cut->bytes, 4'000U);
    EXPECT_EQ(*journal_->append("again two"), 2U);
    EXPECT_THAT(payloads(*journal_), ElementsAre("kept", "again two"));
    reopen();
    EXPECT_FALSE(journal_->recovery().cut);
}

TEST_F(JournalTest, MissesARecordThatWasSynced) {
    reopen();
    append_synced("first");
    append_synced("second");
    append("third"); // says that the second was synced
    journal_.reset();
    const auto second = segment_header_bytes + record_bytes(5);
    overwrite(first_segment, second, std::string(record_bytes(6), '\0'));
    const auto opened = open();
    ASSERT_EQ(code_of(opened), "journal_corrupt");
    EXPECT_THAT(opened.error().message,
                HasSubstr(fmt::format("{} is damaged at byte {}", first_segment, second)));
    EXPECT_EQ(disk_.contents().size(), 1U); // nothing was changed, nothing added
}

TEST_F(JournalTest, AnyFlippedBitIsNoticed) {
    reopen();
    append_large(3);
    for (std::uint64_t n = 4; n <= 8; ++n) append_synced(payload_of(n, 50 * n));
    ASSERT_EQ(journal_->stats().segments, 2U);
    journal_.reset();
    const auto whole = disk_.contents();
    for (int round = 0; round < 400; ++round) {
        const auto& [name, good] = *std::next(whole.begin(), round % 2);
        std::string bad = good;
        // Half of them where the newest records are.
        const std::size_t range = round % 4 == 1 ? 66'000 : bad.size();
        const std::uint64_t bit = env_.random_below(8 * range);
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << bit % 8);
        disk_.damage(name, bad);
        if (const auto opened = open(); opened) {
            ASSERT_TRUE(journal_->recovery().cut) << name << " bit " << bit;
            ASSERT_EQ(journal_->stats().next_sequence, 9U) << name << " bit " << bit;
        } else {
            ASSERT_THAT(code_of(opened), "journal_corrupt") << name << " bit " << bit;
        }
        journal_.reset();
        for (const auto& [file, bytes] : disk_.contents())
            if (!whole.contains(file)) disk_.remove(file);
        disk_.damage(name, good);
    }
    reopen();
    EXPECT_EQ(sequences(*journal_).size(), 8U);
}

TEST_F(JournalTest, SealsSequencesThatAreGivenAgainUnderAnotherKey) {
    reopen();
    append("lost");
    journal_.reset();
    const std::string before = disk_.contents().at(first_segment);
    overwrite(first_segment, segment_header_bytes, std::string(record_bytes(4), '\0'));
    reopen();
    append("kept");
    const std::string after = disk_.contents().at(first_segment);
    const auto sequence_in = [](const std::string& segment) {
        return decode_record_header(segment.substr(segment_header_bytes))->sequence;
    };
    EXPECT_EQ(sequence_in(before), sequence_in(after));
    EXPECT_NE(before.substr(32, 32), after.substr(32, 32)); // the salts
}

TEST_F(JournalTest, AFailedSyncEndsItForGood) {
    reopen();
    append_synced("safe");
    append("lost");
    disk_.fail(MemoryDisk::Operation::Sync);
    EXPECT_EQ(code_of(journal_->sync()), "journal_failed");
    EXPECT_EQ(code_of(journal_->sync()), "journal_failed"); // the disk would say yes by now
    EXPECT_EQ(code_of(journal_->append("later")), "journal_failed");
    EXPECT_EQ(code_of(journal_->close()), "journal_failed");
    EXPECT_THAT(payloads(*journal_), ElementsAre("safe"));
    reopen(); // and it recovers by itself
    EXPECT_THAT(payloads(*journal_), ElementsAre("safe"));
    append_synced("as good as new");
}

TEST_F(JournalTest, AFailedWriteEndsItForGood) {
    reopen();
    append("one");
    disk_.fail(MemoryDisk::Operation::Write);
    EXPECT_EQ(code_of(journal_->append("two")), "journal_failed");
    EXPECT_EQ(code_of(journal_->append("three")), "journal_failed");
    EXPECT_EQ(code_of(journal_->sync()), "journal_failed");
    reopen();
    EXPECT_THAT(payloads(*journal_), ElementsAre("one"));
    EXPECT_EQ(*journal_->append("two"), 2U);
}

TEST_F(JournalTest, AFailureAtTheEndOfASegmentEndsItForGood) {
    for (const auto operation : {MemoryDisk::Operation::Sync, MemoryDisk::Operation::SyncNames}) {
        reopen();
        ASSERT_TRUE(journal_->release(journal_->stats().next_sequence));
        append_large(2);
        disk_.fail(operation);
        EXPECT_EQ(code_of(journal_->append(payload_of(3, large))), "journal_failed");
        EXPECT_EQ(code_of(journal_->append("more")), "journal_failed");
        crash();
        reopen();
        EXPECT_EQ(read_all(*journal_).back().payload, payload_of(2, large));
        append_large(1);
    }
}

TEST_F(JournalTest, FullIsRefusedAndReleasedAgain) {
    const JournalLimits tiny = {.segment_bytes = segment_bytes_min,
                                .bytes_max = 2 * segment_bytes_min};
    reopen(tiny);
    append_large(4);
    const auto refused = journal_->append(payload_of(5, large));
    ASSERT_EQ(code_of(refused), "journal_full");
    EXPECT_EQ(refused.error().kind, ErrorClass::Overload);
    EXPECT_TRUE(journal_->sync());
    crash();
    reopen(tiny); // no room to begin a segment, but to read
    EXPECT_EQ(code_of(journal_->append("even small")), "journal_full");
    EXPECT_THAT(sequences(*journal_), ElementsAre(1U, 2U, 3U, 4U));
    EXPECT_LE(journal_->stats().bytes, tiny.bytes_max);
    ASSERT_TRUE(journal_->release(1));
    EXPECT_EQ(code_of(journal_->append("two is needed, too")), "journal_full");
    ASSERT_TRUE(journal_->release(2));
    EXPECT_EQ(*journal_->append(payload_of(5, large)), 5U);
    EXPECT_THAT(sequences(*journal_), ElementsAre(3U, 4U, 5U));
}

TEST_F(JournalTest, AFullDiskIsRefusedAndNothingLost) {
    disk_.set_capacity(segment_bytes_min + 100'000);
    reopen();
    append_large(2);
    EXPECT_EQ(code_of(journal_->append(payload_of(3, large))), "journal_full");
    EXPECT_EQ(code_of(journal_->append("small")), "journal_full");
    EXPECT_TRUE(journal_->sync());
    crash();
    reopen();
    EXPECT_THAT(sequences(*journal_), ElementsAre(1U, 2U));
    disk_.set_capacity(4 * segment_bytes_min);
    append_synced("and it recovers by itself");
    EXPECT_THAT(sequences(*journal_), ElementsAre(1U, 2U, 3U));
}

TEST_F(JournalTest, ReleaseRemovesWholeSegmentsButTheNewest) {
    reopen();
    append_large(6);
    EXPECT_EQ(journal_->stats().segments, 3U);
    ASSERT_TRUE(journal_->release(3));
    EXPECT_THAT(sequences(*journal_), ElementsAre(3U, 4U, 5U, 6U));
    ASSERT_TRUE(journal_->release(4));
    EXPECT_THAT(sequences(*journal_), ElementsAre(5U, 6U));
    EXPECT_EQ(journal_->stats().oldest_sequence, 5U);
    ASSERT_TRUE(journal_->release(~0ULL));
    crash(); // release is durable, and the newest segment knows where to go on
    reopen();
    EXPECT_THAT(sequences(*journal_), ElementsAre(5U, 6U));
    EXPECT_EQ(*journal_->append("seven"), 7U);
    ASSERT_TRUE(journal_->release(~0ULL));
    EXPECT_THAT(payloads(*journal_), ElementsAre("seven"));
}

TEST_F(JournalTest, OpeningItOftenTakesNoSpace) {
    reopen();
    append_synced("one");
    for (int round = 0; round < 20; ++round) {
        reopen();
        crash();
    }
    reopen();
    EXPECT_EQ(journal_->stats().segments, 2U);
    EXPECT_EQ(disk_.contents().size(), 2U);
    EXPECT_EQ(*journal_->append("two"), 2U);
}

TEST_F(JournalTest, AReaderSeesWhatWasThereAndSkipsWhatIsReleased) {
    reopen();
    append_large(5);
    JournalReader reader = journal_->read(0);
    EXPECT_EQ((*reader.next())->sequence, 1U);
    ASSERT_TRUE(journal_->release(4));
    append("too late for this reader");
    EXPECT_EQ((*reader.next())->sequence, 5U);
    EXPECT_FALSE(*reader.next());
    EXPECT_FALSE(*journal_->read(7).next());
}

TEST_F(JournalTest, BelongsToOneAtATime) {
    reopen();
    const auto second = Journal::open(disk_.mount(), secret, small);
    ASSERT_EQ(code_of(second), "journal_in_use");
    EXPECT_EQ(second.error().kind, ErrorClass::Conflict);
}

TEST_F(JournalTest, RefusesWhatItCantBe) {
    for (const JournalLimits limits : {JournalLimits{segment_bytes_min - 4096, 1 << 30},
                                       JournalLimits{segment_bytes_min + 1, 1 << 30},
                                       JournalLimits{segment_bytes_max + 4096, 1 << 30},
                                       JournalLimits{1 << 20, (1 << 20) - 1}}) {
        EXPECT_EQ(code_of(open(limits)), "journal_limits");
    }
    reopen();
    EXPECT_TRUE(journal_->append(std::string(journal_record_bytes_max, 'x')));
    EXPECT_EQ(code_of(journal_->append(std::string(journal_record_bytes_max + 1, 'x'))),
              "journal_record_too_large");
    EXPECT_TRUE(journal_->close());
    EXPECT_EQ(code_of(journal_->append("x")), "journal_closed");
}

TEST_F(JournalTest, NoticesSegmentsThatAreMissingMixedUpOrForeign) {
    reopen();
    append_large(6);
    journal_.reset();
    const auto whole = disk_.contents();
    ASSERT_EQ(whole.size(), 3U);
    disk_.remove(second_segment);
    EXPECT_EQ(code_of(open()), "journal_corrupt");
    disk_.damage(second_segment, whole.at(first_segment));
    EXPECT_EQ(code_of(open()), "journal_corrupt");
    disk_.damage(second_segment, whole.at(second_segment).substr(0, 70'000));
    EXPECT_EQ(code_of(open()), "journal_corrupt");
    disk_.damage(second_segment, "");
    EXPECT_EQ(code_of(open()), "journal_corrupt");
    disk_.damage(second_segment, whole.at(second_segment));
    disk_.damage("lost+found", "none of our business");
    disk_.damage("segment-0000000000000004.new", "never finished");
    EXPECT_EQ(code_of(Journal::open(disk_.mount(), SecretString(std::string("another")), small)),
              "journal_key_wrong");
    reopen();
    EXPECT_EQ(sequences(*journal_).size(), 6U);
    EXPECT_TRUE(disk_.contents().contains("lost+found"));
}

// --- Any sequence of what may happen ----------------------------------------------------------

TEST_F(JournalTest, IsReadWhileItIsWritten) {
    ASSERT_TRUE(open());
    for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(journal_->append(payload_of(n, large)));
    const auto disk = disk_.mount();
    std::vector<std::uint64_t> found;
    const auto note = [&](const JournalRecord& record) -> Result<void> {
        if (record.sequence == 4) return fail(ErrorClass::Invalid, "enough", "That is enough.");
        EXPECT_EQ(record.payload, payload_of(record.sequence, large));
        found.push_back(record.sequence);
        return {};
    };
    EXPECT_EQ(code_of(read_journal(*disk, secret, note)), "enough");
    EXPECT_THAT(found, ElementsAre(1, 2, 3));
    EXPECT_TRUE(journal_->append("more")) << "it is still the writer's";
    EXPECT_EQ(code_of(read_journal(*disk, SecretString{std::string("another")}, note)),
              "journal_key_wrong");
}

/// A journal, what was promised about it, and what must never happen.
class Model {
  public:
    explicit Model(std::uint64_t seed) : env_(seed) { env_.install(); }

    void step(int action) {
        if (!journal_) return open();
        const std::uint64_t size =
            env_.random_below(4) == 0 ? env_.random_below(64 << 10) : env_.random_below(2'000);
        if (action < 12) return append(size);
        if (action < 17) return sync();
        if (action < 18) return release();
        if (action < 20) return leave();
        if (action < 21) return close();
        if (action < 23)
            return disk_.fail(MemoryDisk::Operation(env_.random_below(3)), env_.random_below(4));
        if (action < 24) return disk_.set_capacity(env_.random_below(8) * segment_bytes_min);
        crash();
    }
    void finish() {
        disk_.set_capacity(~0ULL);
        crash();
        for (int tries = 0; !journal_ && tries < 20; ++tries) open();
        RC_ASSERT(journal_ != nullptr);
    }

  private:
    void open() {
        note_sealed();
        auto opened = Journal::open(disk_.mount(), secret, {segment_bytes_min, 1 << 20});
        if (!opened) {
            RC_ASSERT(opened.error().code == "journal_io"); // an injected failure
            whole_ = false;
            return;
        }
        journal_ = std::move(*opened);
        check();
    }
    void append(std::size_t size) {
        const std::string payload = payload_of(++counter_, size);
        if (const auto added = journal_->append(payload)) {
            RC_ASSERT(*added == appended_.size() + 1);
            appended_.push_back(payload);
        } else if (added.error().code != "journal_full") {
            RC_ASSERT(added.error().code == "journal_failed");
            whole_ = false; // what was written of it can't be known
        }
    }
    void sync() {
        if (journal_->sync())
            synced_ = appended_.size();
        else
            whole_ = false;
    }
    void release() {
        released_ = std::max(released_, env_.random_below(synced_ + 1));
        (void)journal_->release(released_); // tried again by the next one
    }
    void leave() { journal_.reset(); }
    void close() {
        if (journal_->close())
            synced_ = appended_.size();
        else
            whole_ = false;
        journal_.reset();
    }
    void crash() {
        journal_.reset();
        note_sealed();
        disk_.crash(env_);
        whole_ = false;
    }
    /// Everything promised is there, and nothing that was never appended.
    void check() {
        std::uint64_t last = journal_->stats().oldest_sequence - 1;
        RC_ASSERT(last <= released_);
        JournalReader reader = journal_->read(0);
        while (true) {
            const auto record = reader.next();
            RC_ASSERT(record.has_value());
            if (!*record) break;
            RC_ASSERT((*record)->sequence == ++last);
            RC_ASSERT(last <= appended_.size());
            RC_ASSERT((*record)->payload == appended_[last - 1]);
        }
        RC_ASSERT(last + 1 == journal_->stats().next_sequence);
        RC_ASSERT(last >= synced_);
        if (whole_) RC_ASSERT(last == appended_.size());
        if (whole_) RC_ASSERT(!journal_->recovery().cut);
        appended_.resize(last);
        synced_ = last;
        whole_ = true;
    }
    /// No nonce was used for two contents, lost ones included.
    void note_sealed() {
        for (const auto& [name, bytes] : disk_.contents()) {
            if (bytes.size() < segment_header_bytes) continue;
            const std::string salt = bytes.substr(32, 32);
            for (std::size_t at = segment_header_bytes; at + record_header_bytes <= bytes.size();
                 at += record_header_bytes) {
                const auto header =
                    decode_record_header(std::string_view(bytes).substr(at, record_header_bytes));
                if (!header) continue;
                const auto [known, fresh] =
                    sealed_.try_emplace({salt, header->sequence}, header->body_crc);
                RC_ASSERT(fresh || known->second == header->body_crc);
            }
        }
    }

    SimEnv env_;
    MemoryDisk disk_;
    std::unique_ptr<Journal> journal_;
    std::uint64_t counter_ = 0;
    std::vector<std::string> appended_; ///< by sequence, from 1
    std::uint64_t synced_ = 0, released_ = 0;
    bool whole_ = true; ///< nothing has happened since that may lose what was not synced
    std::map<std::pair<std::string, std::uint64_t>, std::uint32_t> sealed_;
};

RC_GTEST_PROP(JournalProperty, KeepsWhatWasSyncedThroughEverything, ()) {
    Model model(*rc::gen::arbitrary<std::uint64_t>());
    for (const int action : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 27)))
        model.step(action);
    model.finish();
}

} // namespace
} // namespace holdfast
