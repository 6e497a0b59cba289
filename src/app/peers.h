#pragma once

// Peers: the other `serve` processes that take payments, at their admin ports.
//
//   TRY(auto addresses, peer_addresses(options.peers, options.address));
//   Peers peers(loop, env, offload, id_secret, name, addresses, registry);
//   Processor::create(..., peers.marks());         // says what is held here
//   peers.hear(request);                           // POST /marks: what is held there
//   peers.carry_out(request, processor);           // POST /commands: what its caller wants
//
// Sealed (processor/peer_cipher.h), so the port may be on a network that others share. Answers to
// /marks: 204 heard; 409 begin anew, with all; to /commands: 200, sealed, whatever came of it; to
// both: 403 not of this platform, or of an earlier life.

#include "app/peer_address.h"
#include "base/metrics.h"
#include "net/http_client.h"
#include "net/http_message.h"
#include "processor/mark_teller.h"
#include "processor/passing.h"
#include "processor/processor.h"

#include <string>
#include <vector>

namespace holdfast::app {

class Peers {
  public:
    static constexpr std::string_view marks_path = "/marks", commands_path = "/commands";
    static constexpr std::size_t commands_at_once = 64; ///< to one process; more wait

    /// `name` as other processes tell ours from theirs; the same after a restart.
    Peers(net::Loop& loop, Env& env, Offload& offload, const SecretString& id_secret,
          const std::string& name, std::vector<PeerAddress> addresses, Registry& registry);

    net::HttpResponse hear(const net::HttpRequest& request);
    net::Task<net::HttpResponse> carry_out(net::HttpRequest request,
                                           processor::Processor& processor);
    processor::Marks marks() { return {.book = &book_, .teller = &teller_}; }

  private:
    std::vector<processor::Peer> posts_to(std::vector<PeerAddress> addresses);
    net::Task<processor::MarkBook::Hearing> post(PeerAddress to, std::string sealed,
                                                 net::Deadline deadline);
    net::Task<processor::Outcome> pass(PeerAddress to, core::Command command,
                                       net::Deadline deadline);

    Env& env_;
    net::HttpClient client_, command_client_;
    processor::MarkCipher cipher_;
    processor::PassCipher pass_cipher_;
    processor::PassedOnce passed_;
    processor::MarkBook book_;
    processor::MarkTeller teller_;
    Gauge& marks_;
};

} // namespace holdfast::app
