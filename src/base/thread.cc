#include "base/thread.h"

#include <csignal>

#include <pthread.h>

namespace holdfast {

std::thread start_thread(const std::string& name, std::move_only_function<void()> body) {
    constexpr std::size_t name_length_max = 15; // the kernel's
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); // a thread inherits the mask of its maker
    std::thread thread(std::move(body));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_setname_np(thread.native_handle(), name.substr(0, name_length_max).c_str());
    return thread;
}

} // namespace holdfast
