#include "transport/client_id_contest.hpp"

namespace ble {

void ClientIdContest::lost(Ending ending, Clock::duration lived) {
    if (ending == Ending::taken_over) {
        told_ = true;
    } else if (lived >= won_after || ending == Ending::other) {
        failed();
    } else if (unexplained_ < suspicious) {
        ++unexplained_;
    }
}

void ClientIdContest::failed() {
    if (!on()) unexplained_ = 0;
}

}  // namespace ble
