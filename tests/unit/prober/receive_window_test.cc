#include "prober/stamp/receive_window.h"

#include <gtest/gtest.h>

namespace linkpilot::prober {
namespace {

TEST(ReceiveWindow, TellsNextReorderedDuplicateAndTooOldApart) {
  ReceiveWindow window;
  EXPECT_EQ(window.add(100), ReceiveWindow::Verdict::first);
  EXPECT_EQ(window.add(101), ReceiveWindow::Verdict::next);
  EXPECT_EQ(window.add(104), ReceiveWindow::Verdict::next);
  EXPECT_EQ(window.add(103), ReceiveWindow::Verdict::reordered);
  EXPECT_EQ(window.add(103), ReceiveWindow::Verdict::duplicate);
  EXPECT_EQ(window.add(101), ReceiveWindow::Verdict::duplicate);
  EXPECT_EQ(window.add(40), ReceiveWindow::Verdict::too_old);
  EXPECT_EQ(window.highest(), 104U);
  EXPECT_EQ(window.bits(), 0b11011U);
}

TEST(ReceiveWindow, NeverGoesBackForALatePacket) {
  ReceiveWindow window;
  for (std::uint32_t sequence = 0; sequence < 10; ++sequence) window.add(sequence);
  window.add(3);
  window.add(11);
  EXPECT_EQ(window.highest(), 11U);
  EXPECT_EQ(window.bits() & 0b111U, 0b101U);
}

TEST(ReceiveWindow, ForgetsEverythingAfterALongGap) {
  ReceiveWindow window;
  window.add(5);
  window.add(5 + kReceiveWindowSize);
  EXPECT_EQ(window.bits(), 1U);
  EXPECT_EQ(window.add(5), ReceiveWindow::Verdict::too_old);
  EXPECT_EQ(window.add(6), ReceiveWindow::Verdict::reordered);
}

TEST(ReceiveWindow, CrossesTheWrapOfTheSequence) {
  ReceiveWindow window;
  window.add(0xfffffffe);
  EXPECT_EQ(window.add(1), ReceiveWindow::Verdict::next);
  EXPECT_EQ(window.add(0xffffffff), ReceiveWindow::Verdict::reordered);
  EXPECT_EQ(window.add(0), ReceiveWindow::Verdict::reordered);
  EXPECT_EQ(window.bits(), 0b1111U);
}

}  // namespace
}  // namespace linkpilot::prober
