#include "processor/passing.h"

#include "base/codec.h"
#include "core/snapshot.h"

#include <utility>

namespace holdfast {
constexpr ErrorClass last_enumerator(ErrorClass) { return ErrorClass::Bug; } // for the codec
} // namespace holdfast

namespace holdfast::processor {

struct QuestionForm {
    Uuid number;
    WallTime sent;
    std::int64_t patience_us = 0;
    std::string command; ///< core::encode
};
template <class A> void fields(A& archive, QuestionForm& v) {
    archive(v.number, v.sent, v.patience_us, v.command);
}

struct AnswerForm {
    Uuid number;
    bool done = false;
    // When done: core::encode_answer, and the rest of an Outcome.
    std::string answer;
    bool replayed = false, pending = false;
    Uuid original_request;
    // Else the Error.
    ErrorClass kind = ErrorClass::Bug;
    std::string code, message, param;
    bool retryable = false;
};
template <class A> void fields(A& archive, AnswerForm& v) {
    archive(v.number, v.done, v.answer, v.replayed, v.pending, v.original_request, v.kind, v.code,
            v.message, v.param, v.retryable);
}

namespace {

constexpr std::uint8_t pass_version = 1;

Result<Outcome> outcome_of(AnswerForm form) {
    if (!form.done)
        return fail({.kind = form.kind,
                     .code = std::move(form.code),
                     .message = std::move(form.message),
                     .retryable = form.retryable,
                     .param = std::move(form.param)});
    Outcome outcome{.replayed = form.replayed,
                    .original_request = form.original_request,
                    .pending = form.pending};
    if (!form.answer.empty()) {
        TRY(outcome.answer, core::decode_answer(form.answer));
    }
    return outcome;
}

} // namespace

Result<void> PassedOnce::take(const PassedCommand& question, WallTime now) {
    while (!taken_.empty() && taken_.front().first <= now) {
        numbers_.erase(taken_.front().second);
        taken_.pop_front();
    }
    const Duration age = now - question.sent;
    if (age >= fresh_for || age <= -fresh_for || numbers_.contains(question.number))
        return fail(ErrorClass::Invalid, "pass_repeated",
                    "This command was passed on before, or long ago; are the clocks right?");
    if (numbers_.size() >= numbers_max)
        return fail(ErrorClass::Overload, "pass_crowded", "Too many commands are passed on.");
    numbers_.insert(question.number);
    taken_.emplace_back(now + 2 * fresh_for, question.number);
    return {};
}

PassCipher::PassCipher(Env& env, const SecretString& id_secret)
    : cipher_(env, id_secret, "holdfast passed commands") {}

Result<std::string> PassCipher::seal(const PassedCommand& question) {
    return cipher_.seal(
        encode_versioned(pass_version, QuestionForm{.number = question.number,
                                                    .sent = question.sent,
                                                    .patience_us = question.patience.count(),
                                                    .command = core::encode(question.command)}));
}

Result<PassedCommand> PassCipher::open(std::string_view sealed) const {
    TRY(const std::string message, cipher_.open(sealed));
    TRY(QuestionForm form, decode_versioned<QuestionForm>(message, pass_version, "pass"));
    TRY(core::Command command, core::decode_command(form.command));
    return PassedCommand{.number = form.number,
                         .sent = form.sent,
                         .patience = Duration{form.patience_us},
                         .command = std::move(command)};
}

Result<std::string> PassCipher::seal_answer(const Uuid& number, const Result<Outcome>& answer) {
    AnswerForm form{.number = number, .done = answer.has_value()};
    if (answer) {
        form.answer = core::encode_answer(answer->answer);
        form.replayed = answer->replayed;
        form.pending = answer->pending;
        form.original_request = answer->original_request;
    } else {
        form.kind = answer.error().kind;
        form.code = answer.error().code;
        form.message = answer.error().message;
        form.param = answer.error().param;
        form.retryable = answer.error().retryable;
    }
    return cipher_.seal(encode_versioned(pass_version, form));
}

Result<Outcome> PassCipher::open_answer(const Uuid& number, std::string_view sealed) const {
    const auto unread = [](std::string why) {
        return fail({.kind = ErrorClass::Unknown,
                     .code = "pass_answer",
                     .message = std::move(why),
                     .retryable = true});
    };
    auto message = cipher_.open(sealed);
    if (!message) return unread(std::move(message).error().message);
    auto form = decode_versioned<AnswerForm>(*message, pass_version, "pass");
    if (!form) return unread(std::move(form).error().message);
    if (form->number != number) return unread("This is the answer to another question.");
    return outcome_of(*std::move(form));
}

} // namespace holdfast::processor
