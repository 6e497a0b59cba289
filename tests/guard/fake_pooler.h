#pragma once

// FakePooler: what a connection pooler looks like from in front of it, on a unix socket.
//
// PgBouncer, Odyssey and their like pass a session through to a server, but hand out cancel keys of
// their own (BackendKeyData); and PgBouncer refuses a session that brings `options`, unless it was
// told to ignore them. Both as PgBouncer 1.18 does it. Source: PostgreSQL documentation, 55.7.
//
// One thread, one session after the other. Throws std::runtime_error when it can't listen.

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

namespace holdfast::test {

class FakePooler {
  public:
    /// `server_socket` is the file of the server's socket; ours has the same name.
    explicit FakePooler(const std::string& server_socket) : server_(server_socket) {
        std::string directory = "/tmp/fake-pooler-XXXXXX";
        if (!::mkdtemp(directory.data())) throw std::runtime_error("mkdtemp");
        directory_ = directory;
        const auto name = std::filesystem::path(server_socket).filename().string();
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_un address = address_of(directory_ + "/" + name);
        if (::bind(listener_, generic(address), sizeof address) != 0 || ::listen(listener_, 8) != 0)
            throw std::runtime_error("can't listen");
        thread_ = std::thread([this] { run(); });
    }
    ~FakePooler() {
        ending_ = true;
        thread_.join();
        ::close(listener_);
        std::filesystem::remove_all(directory_);
    }
    FakePooler(const FakePooler&) = delete;
    FakePooler& operator=(const FakePooler&) = delete;

    const std::string& directory() const { return directory_; }
    /// From now on sessions are refused, since they bring `options`.
    void refuse_options() { refusing_ = true; }

  private:
    static constexpr int wait_ms = 20;

    static sockaddr_un address_of(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        return address;
    }
    static const sockaddr* generic(const sockaddr_un& address) {
        return reinterpret_cast<const sockaddr*>(&address);
    }

    void run() {
        while (!ending_) {
            pollfd waiting{listener_, POLLIN, 0};
            if (::poll(&waiting, 1, wait_ms) <= 0) continue;
            const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            if (client < 0) continue;
            if (refusing_)
                refuse(client);
            else
                pass_through(client);
            ::close(client);
        }
    }

    static void refuse(int client) {
        std::array<char, 4096> startup;
        if (::read(client, startup.data(), startup.size()) <= 0) return;
        using namespace std::string_literals;
        const std::string fields = "SFATAL\0C08P01\0Munsupported startup parameter: options\0\0"s;
        const auto length = static_cast<char>(fields.size() + 4);
        const std::string answer = "E\0\0\0"s + length + fields;
        ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
    }

    void pass_through(int client) {
        const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_un address = address_of(server_);
        bool open = ::connect(server, generic(address), sizeof address) == 0;
        while (open && !ending_) {
            std::array<pollfd, 2> both{{{client, POLLIN, 0}, {server, POLLIN, 0}}};
            if (::poll(both.data(), both.size(), wait_ms) <= 0) continue;
            if (both[0].revents) open = pass(client, server, false);
            if (open && both[1].revents) open = pass(server, client, true);
        }
        ::close(server);
    }

    /// Hands on what there is; with another process number in the cancel key of an answer.
    static bool pass(int from, int to, bool answer) {
        std::array<char, 65'536> bytes;
        const auto got = ::read(from, bytes.data(), bytes.size());
        if (got <= 0) return false;
        const auto size = static_cast<std::size_t>(got);
        constexpr std::string_view backend_key_data("K\0\0\0\x0c", 5);
        const auto key = std::string_view(bytes.data(), size).find(backend_key_data);
        if (answer && key != std::string_view::npos) bytes[key + backend_key_data.size()] ^= 1;
        return ::send(to, bytes.data(), size, MSG_NOSIGNAL) == got;
    }

    std::string server_, directory_;
    int listener_ = -1;
    std::atomic<bool> ending_ = false, refusing_ = false;
    std::thread thread_;
};

} // namespace holdfast::test
