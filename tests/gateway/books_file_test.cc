#include "acquirer_harness.h"

#include "base/files.h"
#include "gateway/books_format.h"

#include <csignal>
#include <fstream>

#include <sys/resource.h>

namespace holdfast::gateway {
namespace {

struct BooksFileTest : testing::Test {
    Env& env = Env::current();
    net::Loop loop{1};
    Offload offload{{.name = "books", .threads = 1}};
    Directory directory{env};
    std::vector<std::string> replayed;

    Result<std::unique_ptr<BooksFile>> open() {
        replayed.clear();
        return BooksFile::open(loop, offload, directory.books(),
                               [this](const BookEntry& entry) -> Result<void> {
                                   replayed.push_back(encode(entry));
                                   return {};
                               });
    }
    BookEntry entry(std::size_t metadata_bytes = 10) {
        return Booking{.reference = Id<Operation>::time_ordered(env),
                       .metadata = {{"k", std::string(metadata_bytes, 'x')}},
                       .approved = true};
    }
    Result<void> durable(BooksFile& file) {
        return net::block_on(loop, file.durable(net::Deadline::after(10s)));
    }
    Result<void> close(BooksFile& file) {
        return net::block_on(loop, file.close(net::Deadline::after(10s)));
    }
};

TEST_F(BooksFileTest, KeepsWhatWasDurable) {
    std::vector<std::string> written;
    {
        auto file = open().value();
        EXPECT_TRUE(replayed.empty());
        for (int i = 0; i < 20; ++i) {
            BookEntry e = entry();
            written.push_back(encode(e));
            file->add(e);
            if (i % 3 == 0) ASSERT_TRUE(durable(*file));
        }
        ASSERT_TRUE(close(*file)); // writes the last one too
    }
    auto file = open().value();
    EXPECT_EQ(replayed, written);
    EXPECT_TRUE(durable(*file)); // nothing to wait for
    ASSERT_TRUE(close(*file));
}

TEST_F(BooksFileTest, OneProcessAtATime) {
    auto file = open().value();
    EXPECT_EQ(open().error().code, "books_in_use");
    ASSERT_TRUE(close(*file));
    file.reset();
    EXPECT_TRUE(open());
}

TEST_F(BooksFileTest, TornTailIsCutOffAndWritingGoesOn) {
    std::string first, second;
    {
        auto file = open().value();
        BookEntry a = entry(), b = entry();
        first = encode(a);
        file->add(a);
        ASSERT_TRUE(durable(*file));
        file->add(b);
        ASSERT_TRUE(close(*file));
    }
    std::filesystem::resize_file(directory.books(),
                                 std::filesystem::file_size(directory.books()) - 3);
    {
        auto file = open().value();
        EXPECT_EQ(replayed, std::vector{first});
        BookEntry c = entry();
        second = encode(c);
        file->add(c);
        ASSERT_TRUE(close(*file));
    }
    auto file = open().value();
    EXPECT_EQ(replayed, (std::vector{first, second}));
    ASSERT_TRUE(close(*file));
}

TEST_F(BooksFileTest, DamageIsNotRepaired) {
    {
        auto file = open().value();
        for (int i = 0; i < 2; ++i) {
            file->add(entry());
            ASSERT_TRUE(durable(*file));
        }
        ASSERT_TRUE(close(*file));
    }
    {
        std::fstream file(directory.books());
        file.seekp(40);
        file.put('\xff');
    }
    const std::string before = read_file(directory.books()).value();
    EXPECT_EQ(open().error().code, "books_corrupt");
    EXPECT_EQ(read_file(directory.books()).value(), before);
}

TEST_F(BooksFileTest, NoDirectoryIsAnError) {
    auto none = BooksFile::open(loop, offload, directory.path() + "/none/books",
                                [](const BookEntry&) -> Result<void> { return {}; });
    EXPECT_EQ(none.error().code, "books_unreadable");
}

/// Files can't grow beyond `bytes` while it lives.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) {
        std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &before_);
        rlimit limit{bytes, before_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &before_); }

  private:
    rlimit before_{};
};

TEST_F(BooksFileTest, FailedWriteEndsTheFileUntilItIsOpenedAgain) {
    std::string kept;
    {
        auto file = open().value();
        BookEntry e = entry();
        kept = encode(e);
        file->add(e);
        ASSERT_TRUE(durable(*file));
        {
            FileSizeLimit full(std::filesystem::file_size(directory.books()) + 50);
            file->add(entry(1000));
            EXPECT_EQ(durable(*file).error().code, "books_failed");
        }
        EXPECT_TRUE(file->failed());
        file->add(entry());
        EXPECT_EQ(durable(*file).error().code, "books_failed"); // the disk is well again: too late
        EXPECT_EQ(close(*file).error().code, "books_failed");
    }
    auto file = open().value(); // and it recovers by being started again
    EXPECT_EQ(replayed, std::vector{kept});
    file->add(entry());
    EXPECT_TRUE(close(*file));
}

TEST_F(AcquirerTest, FullDiskIsUnknownAndNotReady) {
    Operation before = sale(env, "p"), lost = sale(env, "p");
    EXPECT_EQ(execute(before), "approved");
    {
        FileSizeLimit full(std::filesystem::file_size(directory.books()) + 50);
        EXPECT_EQ(execute(lost), "unknown acquirer_failed");
    }
    EXPECT_EQ(inquire(before), "unknown acquirer_failed");
    EXPECT_EQ(get("/readyz", "").status, 503);
    connector.reset();
    EXPECT_EQ(net::block_on(loop, server->drain(net::Deadline::after(5s))).error().code,
              "books_failed");
    server.reset();
    start();
    EXPECT_EQ(inquire(before), "approved");
    EXPECT_EQ(inquire(lost), "not_found"); // torn: nobody was told that it had happened
    EXPECT_EQ(execute(lost), "approved");
    EXPECT_EQ(get("/readyz", "").status, 200);
}

} // namespace
} // namespace holdfast::gateway
