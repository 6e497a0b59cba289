// Segment files of a journal, whose bytes a failing disk or a stranger may have changed, opened.
// Without the key nobody makes a record: what is read was appended, in order, from the start.

#include "base/journal.h"
#include "base/journal_memory.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

using namespace holdfast;

namespace {

constexpr JournalLimits limits = {.segment_bytes = segment_bytes_min,
                                  .bytes_max = 4 * segment_bytes_min};
const SecretString secret{std::string("a secret that the fuzzer does not use")};

class Input {
  public:
    explicit Input(std::string_view bytes) : bytes_(bytes) {}
    bool empty() const { return bytes_.empty(); }
    std::string_view rest() { return std::exchange(bytes_, {}); }
    std::string take(std::size_t size) {
        std::string taken(bytes_.substr(0, size));
        bytes_.remove_prefix(taken.size());
        taken.resize(size);
        return taken;
    }
    std::uint32_t number(std::size_t size) {
        std::uint32_t value = 0;
        std::memcpy(&value, take(size).data(), size);
        return value;
    }

  private:
    std::string_view bytes_;
};

std::string payload_of(std::uint64_t sequence) {
    return std::string(sequence % 3 == 2 ? 60'000 : 10 * sequence, static_cast<char>(sequence));
}

std::string with_crc(std::string bytes, std::string_view of) {
    const std::uint32_t crc = crc32c(of);
    return bytes.append(reinterpret_cast<const char*>(&crc), sizeof crc);
}

/// A record whose length, sequence, synced_through and body the input chose, with good checksums.
std::string forged(Input& input) {
    std::string header = "HFJR" + input.take(20);
    std::string body = input.take(32 + input.number(1));
    header = with_crc(header, body);
    return with_crc(header, header) + body;
}

/// What the input does to the segments.
void damage(MemoryDisk& disk, Input& input) {
    const auto files = disk.contents();
    const auto& [name, good] = *std::next(files.begin(), input.number(1) % files.size());
    std::string bytes = good;
    switch (input.number(1) % 4) {
        case 0: // bits flipped
            while (!input.empty()) {
                const std::size_t at = input.number(3) % bytes.size();
                bytes[at] = static_cast<char>(bytes[at] ^ input.number(1));
            }
            break;
        case 1: { // the place behind the records taken
            const std::size_t end = bytes.find_last_not_of('\0') + 1;
            const std::size_t at = std::min((end + 31) / 32 * 32, bytes.size());
            bytes.replace(at, bytes.size() - at, forged(input));
            break;
        }
        case 2: // anything behind the header
            bytes = bytes.substr(0, segment_header_bytes) + std::string(input.rest());
            break;
        default: // another file
            bytes = input.rest();
            break;
    }
    disk.damage(name, bytes);
}

/// How many records there are, all of them as they were appended.
std::uint64_t check_records(const Journal& journal) {
    std::uint64_t count = 0;
    JournalReader reader = journal.read(0);
    while (true) {
        const auto record = reader.next();
        CHECK(record.has_value());
        if (!*record) return count;
        CHECK((*record)->sequence == ++count);
        CHECK((*record)->payload == payload_of(count));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    SimEnv env(size);
    env.install();
    Input input({reinterpret_cast<const char*>(data), size});
    MemoryDisk disk;
    const std::uint64_t appended = input.number(1) % 8;
    {
        auto journal = Journal::open(disk.mount(), secret, limits);
        for (std::uint64_t n = 1; n <= appended; ++n)
            CHECK(*(*journal)->append(payload_of(n)) == n && (*journal)->sync());
    }
    damage(disk, input);
    if (auto journal = Journal::open(disk.mount(), secret, limits)) {
        const std::uint64_t count = check_records(**journal);
        CHECK(count <= appended);
        if (auto added = (*journal)->append(payload_of(count + 1))) CHECK((*journal)->sync());
        journal = Result<std::unique_ptr<Journal>>();
        journal = Journal::open(disk.mount(), secret, limits);
        CHECK(journal.has_value() && !(*journal)->recovery().cut);
        CHECK(check_records(**journal) >= count);
    } else {
        const std::string& code = journal.error().code;
        CHECK(code == "journal_corrupt" || code == "journal_version" ||
              code == "journal_key_wrong");
    }
    return 0;
}
