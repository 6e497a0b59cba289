#pragma once

// Passing: a command that is carried out by the process that holds its payment.
//
// A payment that one process has accepted without the database can be confirmed by no other one
// until it is drained. So the other one passes the confirmation on to it, and its own caller gets
// what that one answers. Nothing is passed on twice: whoever is asked carries it out or refuses.
//
// A command never holds a card number; those were tokenized before it was made. In transit:
// base/codec.h, version pass_version, sealed (peer_cipher.h). An answer names the number of its
// question, a random one. A question counts once (PassedOnce): who has recorded it on the network
// can't have it carried out again.
//
// Errors of decoding: those of PeerCipher, "pass_version", "pass_corrupt", "command_*"; Unknown
// "pass_answer" for what is not the answer.

#include "processor/peer_cipher.h"
#include "processor/processor.h"

#include <deque>
#include <unordered_set>
#include <utility>

namespace holdfast::processor {

struct PassedCommand {
    Uuid number;
    WallTime sent;
    Duration patience{}; ///< of the caller: an answer that comes later is heard by nobody
    core::Command command;
};

class PassedOnce {
  public:
    /// Clocks of a platform differ by less than this, and no message takes so long.
    static constexpr Duration fresh_for = std::chrono::minutes{2};
    static constexpr std::size_t numbers_max = 100'000;

    /// Errors: Invalid "pass_repeated", also for one that was sent too long ago to tell; Overload
    /// "pass_crowded".
    Result<void> take(const PassedCommand& question, WallTime now);

  private:
    std::deque<std::pair<WallTime, Uuid>> taken_; ///< when they can be forgotten, in order
    std::unordered_set<Uuid> numbers_;
};

class PassCipher {
  public:
    PassCipher(Env& env, const SecretString& id_secret);

    Result<std::string> seal(const PassedCommand& question);
    Result<PassedCommand> open(std::string_view sealed) const;
    Result<std::string> seal_answer(const Uuid& number, const Result<Outcome>& answer);
    /// What the other process has answered; or the Error of opening it, of kind Unknown then.
    Result<Outcome> open_answer(const Uuid& number, std::string_view sealed) const;

  private:
    PeerCipher cipher_;
};

} // namespace holdfast::processor
