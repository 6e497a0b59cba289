#include "drill/relay.h"

#include "base/log.h"

#include <fmt/format.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <list>

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::drill {

namespace asio = net::asio;
using asio::local::stream_protocol;
using db::Node;
using Failure = boost::system::error_code;

namespace {

constexpr std::array nodes{Node::A, Node::B};
constexpr std::size_t parties = static_cast<std::size_t>(last_enumerator(Party{})) + 1;
constexpr std::size_t at(Node node) { return static_cast<std::size_t>(node); }
constexpr std::size_t at(Party party) { return static_cast<std::size_t>(party); }

std::string socket_name(Node node) { return node == Node::A ? ".s.PGSQL.5432" : ".s.PGSQL.5433"; }

std::vector<std::string> command_line(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/cmdline", pid), std::ios::binary);
    std::vector<std::string> words;
    for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
    return words;
}

Party peer_of(int socket) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return Party::Other;
    return party_of(command_line(peer.pid));
}

std::size_t unread(stream_protocol::socket& socket) {
    int bytes = 0;
    const bool known = socket.is_open() && ::ioctl(socket.native_handle(), FIONREAD, &bytes) == 0;
    return known && bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

/// Which file a name stands for; 0: none.
ino_t file_of(const std::string& path) {
    struct stat status{};
    return ::lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

} // namespace

Party party_of(const std::vector<std::string>& words) {
    if (words.empty()) return Party::Other;
    const std::string program =
        std::filesystem::path(words.front().substr(0, words.front().find(' '))).filename();
    if (program == "postgres" || program == "postgres:" || program.starts_with("pg_"))
        return Party::Server;
    const std::string_view command = words.size() > 1 ? words[1] : std::string_view{};
    if (command == "serve") return Party::Serve;
    if (command == "node") return Party::Server; // about to be one
    return command == "up" ? Party::Keeper : Party::Other;
}

namespace {

/// One direction of a connection.
struct Stream {
    std::array<char, Relay::buffer_bytes> buffer;
    std::size_t parked = 0; ///< read, and not to be forwarded now
    bool ended = false;     ///< likewise
};

struct Link {
    Link(net::Loop& loop, Party p, Node n) : client(loop), server(loop), party(p), node(n) {}
    void close() {
        Failure ignored;
        client.close(ignored);
        server.close(ignored);
        closed = true;
    }
    stream_protocol::socket client, server;
    Party party;
    Node node;
    Stream up, down; ///< to the server, to the client
    bool connected = false, closed = false;
};
using LinkPtr = std::shared_ptr<Link>;

} // namespace

struct Relay::State : std::enable_shared_from_this<State> {
    State(net::Loop& l, std::string d)
        : loop(l),
          directory(std::move(d)),
          doors{stream_protocol::acceptor(l), stream_protocol::acceptor(l)},
          timer(l) {}

    std::string door_path(Node node) const { return directory + "/" + socket_name(node); }
    std::string server_path(Node node) const { return door_path(node) + ".served"; }
    bool is_cut(const Link& link) const { return cuts[at(link.party)][at(link.node)]; }

    Result<void> stand_before(Node node);
    void check_doors();
    void accept(Node node);
    void take(stream_protocol::socket client, Node node);
    void connect(const LinkPtr& link);
    void pump(const LinkPtr& link, bool up);
    void forward(const LinkPtr& link, bool up, std::size_t bytes);
    void mend();
    void stop();

    net::Loop& loop;
    std::string directory;
    std::array<stream_protocol::acceptor, 2> doors;
    std::array<ino_t, 2> files{}; ///< of our doors
    asio::steady_timer timer;
    std::list<LinkPtr> links;
    std::array<std::array<bool, 2>, parties> cuts{};
    bool stopped = false;
};

/// The server's socket gets another name, and ours its own.
Result<void> Relay::State::stand_before(Node node) {
    const std::string path = door_path(node);
    const auto refused = [&path](std::string_view what) {
        return fail(ErrorClass::Io, "relay_socket",
                    fmt::format("can't {} {}: {}", what, path, std::strerror(errno)));
    };
    Failure error;
    doors[at(node)].close(error);
    if (::rename(path.c_str(), server_path(node).c_str()) != 0) return refused("rename");
    doors[at(node)].open(stream_protocol(), error);
    doors[at(node)].bind(stream_protocol::endpoint(path), error);
    if (!error) doors[at(node)].listen(asio::socket_base::max_listen_connections, error);
    if (error) return refused("listen at");
    if (::chmod(path.c_str(), 0777) != 0) return refused("open");
    files[at(node)] = file_of(path);
    accept(node);
    return {};
}

void Relay::State::check_doors() {
    timer.expires_after(door_check);
    timer.async_wait([self = shared_from_this()](const Failure& error) {
        if (error || self->stopped) return;
        for (const Node node : nodes) {
            const ino_t there = file_of(self->door_path(node));
            if (there == 0 || there == self->files[at(node)]) continue;
            if (auto stands = self->stand_before(node); !stands)
                log::warn("relay_door", {{"error", to_string(stands.error())}});
        }
        self->check_doors();
    });
}

void Relay::State::accept(Node node) {
    doors[at(node)].async_accept(
        [self = shared_from_this(), node](const Failure& error, stream_protocol::socket client) {
            if (self->stopped || error == asio::error::operation_aborted) return;
            if (!error) self->take(std::move(client), node);
            self->accept(node);
        });
}

void Relay::State::take(stream_protocol::socket client, Node node) {
    auto link = std::make_shared<Link>(loop, peer_of(client.native_handle()), node);
    link->client = std::move(client);
    std::erase_if(links, [](const LinkPtr& old) { return old->closed; });
    links.push_back(link);
    if (!is_cut(*link)) connect(link);
}

void Relay::State::connect(const LinkPtr& link) {
    Failure error;
    link->server.connect(stream_protocol::endpoint(server_path(link->node)), error);
    if (error) return link->close();
    link->connected = true;
    pump(link, true);
    pump(link, false);
}

void Relay::State::pump(const LinkPtr& link, bool up) {
    auto& from = up ? link->client : link->server;
    Stream& stream = up ? link->up : link->down;
    from.async_read_some(asio::buffer(stream.buffer), [self = shared_from_this(), link, up](
                                                          const Failure& error, std::size_t bytes) {
        if (self->stopped || link->closed) return;
        Stream& to = up ? link->up : link->down;
        if (self->is_cut(*link)) {
            to.parked = bytes;
            to.ended = bool(error);
        } else if (error) {
            link->close();
        } else {
            self->forward(link, up, bytes);
        }
    });
}

void Relay::State::forward(const LinkPtr& link, bool up, std::size_t bytes) {
    auto& to = up ? link->server : link->client;
    Stream& stream = up ? link->up : link->down;
    asio::async_write(to, asio::buffer(stream.buffer.data(), bytes),
                      [self = shared_from_this(), link, up](const Failure& error, std::size_t) {
                          if (self->stopped || link->closed) return;
                          if (error) return link->close();
                          self->pump(link, up);
                      });
}

void Relay::State::mend() {
    cuts = {};
    for (const LinkPtr& link : links) {
        if (link->closed) continue;
        if (!link->connected) connect(link);
        for (const bool up : {true, false}) {
            Stream& stream = up ? link->up : link->down;
            const bool ended = std::exchange(stream.ended, false);
            if (const std::size_t bytes = std::exchange(stream.parked, 0); bytes > 0)
                forward(link, up, bytes);
            else if (ended)
                link->close();
        }
    }
}

void Relay::State::stop() {
    stopped = true;
    timer.cancel();
    Failure ignored;
    for (auto& door : doors) door.close(ignored);
    for (const LinkPtr& link : links) link->close();
    links.clear();
}

Relay::Relay(net::Loop& loop, std::string directory)
    : state_(std::make_shared<State>(loop, std::move(directory))) {}

Relay::~Relay() { state_->stop(); }

Result<void> Relay::start() {
    for (const Node node : nodes) TRY_VOID(state_->stand_before(node));
    state_->check_doors();
    return {};
}

void Relay::cut(Party party, Node server) { state_->cuts[at(party)][at(server)] = true; }

void Relay::mend() { state_->mend(); }

Relay::Held Relay::held(Party party, Node server) const {
    Held held;
    for (const LinkPtr& link : state_->links) {
        if (link->closed || link->party != party || link->node != server) continue;
        ++held.connections;
        held.bytes += unread(link->client) + unread(link->server);
        held.bytes += link->up.parked + link->down.parked;
    }
    return held;
}

} // namespace holdfast::drill
