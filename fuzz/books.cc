// The file of the acquirer's books, whose bytes a failing disk may have changed, replayed into its
// rules. What is read fits together: no money is moved that is not there.

#include "gateway/books.h"
#include "gateway/books_format.h"

#include <cstdint>

using namespace holdfast;
using namespace holdfast::gateway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    // An entry first: a checksum is more than a fuzzer guesses.
    if (auto entry = decode_book_entry(input)) {
        const std::string bytes = encode(*entry);
        const auto again = decode_book_entry(bytes);
        CHECK(again.has_value());
        CHECK(encode(*again) == bytes);
    }
    // Then entries one after the other, each behind a length byte, in good frames.
    std::string file(books_magic);
    for (std::string_view rest = input; !rest.empty();) {
        const std::size_t length =
            std::min<std::size_t>(static_cast<std::uint8_t>(rest[0]), rest.size() - 1);
        if (auto entry = decode_book_entry(rest.substr(1, length))) {
            std::string payload;
            append_entry(payload, *entry);
            file += frame_of(payload);
        }
        rest.remove_prefix(1 + length);
    }
    Books books{[](const BookEntry&) {}};
    for (std::string_view bytes : {std::string_view(file), input}) {
        (void)read_books(bytes, [&](const BookEntry& entry) {
            (void)books.replay(entry);
            return Result<void>{};
        });
    }
    for (const Purchase& purchase : books.purchases(0, 1000)) {
        CHECK(purchase.net_minor >= 0 && purchase.held_minor >= 0 && purchase.charges >= 0);
    }
    const auto lines = books.lines({.limit = 1000});
    for (const BookLine& line : *lines) {
        CHECK(line.refunded.minor <= line.captured.minor);
        // A refusal moves nothing, whatever amount it was that was refused.
        const bool declined = line.finding == Finding::Declined;
        if (line.kind == core::OperationKind::Sale || line.kind == core::OperationKind::Authorize) {
            CHECK(line.captured.minor <= (declined ? 0 : line.amount.minor));
        }
    }
    return 0;
}
