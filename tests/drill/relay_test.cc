// The relay of a drill between two servers that are echoes: what it forwards, what it holds.

#include "drill/relay.h"

#include "net/block_on.h"
#include "net/timer.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace holdfast::drill {
namespace {

using namespace std::chrono_literals;
using db::Node;

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

/// Says back what it hears, to each connection after the other.
class Echo {
  public:
    explicit Echo(std::string path) : path_(std::move(path)) { start(); }
    ~Echo() { stop(); }
    void start() {
        ::unlink(path_.c_str());
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_un address = address_of(path_);
        EXPECT_EQ(::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address),
                  0);
        EXPECT_EQ(::listen(listener_, 8), 0);
        thread_ = std::thread([listener = listener_] {
            for (int fd = 0; (fd = ::accept(listener, nullptr, nullptr)) >= 0;) {
                std::array<char, 256> bytes;
                for (ssize_t got = 0; (got = ::recv(fd, bytes.data(), bytes.size(), 0)) > 0;)
                    ::send(fd, bytes.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL);
                ::close(fd);
            }
        });
    }
    void stop() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }

  private:
    std::string path_;
    int listener_ = -1;
    std::thread thread_;
};

class RelayTest : public testing::Test {
  protected:
    RelayTest() {
        std::string name = "/tmp/hf-relay-XXXXXX";
        directory_ = ::mkdtemp(name.data());
        a_.emplace(path("5432"));
        b_.emplace(path("5433"));
        relay_.emplace(loop_, directory_);
        EXPECT_TRUE(relay_->start().has_value());
    }
    ~RelayTest() override {
        relay_.reset();
        a_.reset();
        b_.reset();
        std::filesystem::remove_all(directory_);
    }
    std::string path(std::string_view port) const {
        return directory_ + "/.s.PGSQL." + std::string(port);
    }
    int connect(std::string_view port) const {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_un address = address_of(path(port));
        EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        return fd;
    }
    void turn(Duration time = 100ms) {
        loop_.restart();
        loop_.run_for(std::chrono::duration_cast<std::chrono::milliseconds>(time));
    }
    std::string heard(int fd) {
        turn();
        std::array<char, 256> bytes;
        const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
        return got > 0 ? std::string(bytes.data(), static_cast<std::size_t>(got)) : std::string{};
    }
    static void say(int fd, std::string_view text) {
        EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), std::ssize(text));
    }

    std::string directory_;
    net::Loop loop_{1};
    std::optional<Echo> a_, b_;
    std::optional<Relay> relay_;
};

TEST_F(RelayTest, WhatIsCutIsSilentAndArrivesOnceMended) {
    const int before = connect("5432");
    say(before, "one");
    EXPECT_EQ(heard(before), "one");
    EXPECT_EQ(relay_->held(Party::Other, Node::A).bytes, 0U);

    relay_->cut(Party::Other, Node::A);
    say(before, "two");
    EXPECT_EQ(heard(before), "");
    const int meanwhile = connect("5432");
    say(meanwhile, "four");
    EXPECT_EQ(heard(meanwhile), "");
    EXPECT_EQ(relay_->held(Party::Other, Node::A).connections, 2U);
    EXPECT_EQ(relay_->held(Party::Other, Node::A).bytes, 7U);
    const int elsewhere = connect("5433");
    say(elsewhere, "other");
    EXPECT_EQ(heard(elsewhere), "other");

    relay_->mend();
    EXPECT_EQ(heard(before), "two");
    ::close(before); // an echo has one at a time
    EXPECT_EQ(heard(meanwhile), "four");
    EXPECT_EQ(relay_->held(Party::Other, Node::A).bytes, 0U);
    ::close(meanwhile);
    ::close(elsewhere);
}

TEST_F(RelayTest, AnEndIsHeldBackToo) {
    const int fd = connect("5432");
    say(fd, "one");
    EXPECT_EQ(heard(fd), "one");
    relay_->cut(Party::Other, Node::A);
    ::close(fd);
    turn();
    EXPECT_EQ(relay_->held(Party::Other, Node::A).connections, 1U);
    relay_->mend();
    turn();
    EXPECT_EQ(relay_->held(Party::Other, Node::A).connections, 0U);
}

TEST_F(RelayTest, StandsBeforeAServerThatWasStartedAgain) {
    a_->stop();
    a_->start(); // its socket is a new file
    turn();
    relay_->cut(Party::Other, Node::A);
    const int fd = connect("5432");
    say(fd, "one");
    EXPECT_EQ(heard(fd), "");
    relay_->mend();
    EXPECT_EQ(heard(fd), "one");
    ::close(fd);
}

TEST(Party, IsKnownByTheCommandLine) {
    EXPECT_EQ(party_of({"/usr/bin/holdfast", "serve", "--role", "pay"}), Party::Serve);
    EXPECT_EQ(party_of({"/usr/bin/holdfast", "up", "--data", "x"}), Party::Keeper);
    EXPECT_EQ(party_of({"/usr/bin/holdfast", "node", "--node", "b"}), Party::Server);
    EXPECT_EQ(party_of({"/usr/bin/holdfast", "check", "ledger"}), Party::Other);
    EXPECT_EQ(party_of({"postgres: holdfast-b: walreceiver "}), Party::Server);
    EXPECT_EQ(party_of({"/usr/lib/postgresql/15/bin/postgres", "-D", "x"}), Party::Server);
    EXPECT_EQ(party_of({"/usr/lib/postgresql/15/bin/pg_rewind"}), Party::Server);
    EXPECT_EQ(party_of({}), Party::Other);
}

} // namespace
} // namespace holdfast::drill
