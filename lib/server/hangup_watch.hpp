// Ends HTTP connections whose client hangs up, or sends more, during a long answer. libwebsockets does not
// read then: it would notice a hang-up only when a write fails, and its loop would spin in both cases.
#pragma once

#include "base/unique_fd.hpp"
#include "server/lws_loop.hpp"

namespace ble {

class HangupWatch {
  public:
    explicit HangupWatch(LwsLoop &loop);

    void add(lws *wsi);     // from the callback that begins the answer
    void remove(lws *wsi);  // when the answer is whole; a connection that is closed needs none

  private:
    void look();

    UniqueFd epoll_;
};

}  // namespace ble
