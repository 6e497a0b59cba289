#pragma once

// start_thread: the one way to make a thread, for Offload and the log's writer only.
//
// Signals belong to the event loop's thread, so the new one has them all blocked. That covers
// SIGPIPE: a reader of our log that goes away must not take the process along.

#include <functional>
#include <string>
#include <thread>

namespace holdfast {

/// `name` shows in ps and debuggers, up to 15 characters.
std::thread start_thread(const std::string& name, std::move_only_function<void()> body);

} // namespace holdfast
