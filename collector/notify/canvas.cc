#include "collector/notify/canvas.h"

#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <span>

namespace linkpilot::collector {

namespace {

// A stroke of a glyph on a grid four wide and six high, from the base line up.
struct Stroke {
  float x0, y0, x1, y1;
};
constexpr double kGridHeight = 6;
constexpr double kAdvance = 5.6;  // to the next glyph

std::span<const Stroke> strokes_of(char c) {
  static constexpr Stroke zero[] = {{1, 0, 3, 0}, {3, 0, 4, 1}, {4, 1, 4, 5}, {4, 5, 3, 6},
                                    {3, 6, 1, 6}, {1, 6, 0, 5}, {0, 5, 0, 1}, {0, 1, 1, 0}};
  static constexpr Stroke one[] = {{0.8F, 4.8F, 2.2F, 6}, {2.2F, 6, 2.2F, 0}};
  static constexpr Stroke two[] = {{0, 5, 1, 6}, {1, 6, 3, 6}, {3, 6, 4, 5},
                                   {4, 5, 4, 4}, {4, 4, 0, 0}, {0, 0, 4, 0}};
  static constexpr Stroke three[] = {{0, 6, 4, 6},       {4, 6, 2, 3.6F}, {2, 3.6F, 3, 3.6F},
                                     {3, 3.6F, 4, 2.6F}, {4, 2.6F, 4, 1}, {4, 1, 3, 0},
                                     {3, 0, 1, 0},       {1, 0, 0, 1}};
  static constexpr Stroke four[] = {{3, 0, 3, 6}, {3, 6, 0, 1.8F}, {0, 1.8F, 4, 1.8F}};
  static constexpr Stroke five[] = {{4, 6, 0.4F, 6},    {0.4F, 6, 0, 3.2F}, {0, 3.2F, 1, 3.8F},
                                    {1, 3.8F, 3, 3.8F}, {3, 3.8F, 4, 2.8F}, {4, 2.8F, 4, 1},
                                    {4, 1, 3, 0},       {3, 0, 1, 0},       {1, 0, 0, 1}};
  static constexpr Stroke six[] = {
      {3.6F, 6, 2, 6}, {2, 6, 0, 3.6F}, {0, 3.6F, 0, 1},    {0, 1, 1, 0},       {1, 0, 3, 0},
      {3, 0, 4, 1},    {4, 1, 4, 2.6F}, {4, 2.6F, 3, 3.6F}, {3, 3.6F, 1, 3.6F}, {1, 3.6F, 0, 2.6F}};
  static constexpr Stroke seven[] = {{0, 6, 4, 6}, {4, 6, 1.4F, 0}};
  static constexpr Stroke eight[] = {
      {1, 0, 3, 0},       {3, 0, 4, 1},          {4, 1, 4, 2.2F},    {4, 2.2F, 3, 3.2F},
      {3, 3.2F, 1, 3.2F}, {1, 3.2F, 0, 2.2F},    {0, 2.2F, 0, 1},    {0, 1, 1, 0},
      {3, 3.2F, 3.8F, 4}, {3.8F, 4, 3.8F, 5.2F}, {3.8F, 5.2F, 3, 6}, {3, 6, 1, 6},
      {1, 6, 0.2F, 5.2F}, {0.2F, 5.2F, 0.2F, 4}, {0.2F, 4, 1, 3.2F}};
  static constexpr Stroke nine[] = {
      {4, 3.4F, 3, 2.4F}, {3, 2.4F, 1, 2.4F}, {1, 2.4F, 0, 3.4F}, {0, 3.4F, 0, 5}, {0, 5, 1, 6},
      {1, 6, 3, 6},       {3, 6, 4, 5},       {4, 5, 4, 2.4F},    {4, 2.4F, 2, 0}, {2, 0, 0.4F, 0}};
  static constexpr Stroke dot[] = {{1.9F, 0, 2.1F, 0.1F}};
  static constexpr Stroke colon[] = {{1.9F, 0.8F, 2.1F, 0.9F}, {1.9F, 3.6F, 2.1F, 3.7F}};
  static constexpr Stroke percent[] = {{4, 6, 0, 0},
                                       {0.4F, 4.6F, 1.2F, 4.6F},
                                       {1.2F, 4.6F, 1.2F, 5.6F},
                                       {1.2F, 5.6F, 0.4F, 5.6F},
                                       {0.4F, 5.6F, 0.4F, 4.6F},
                                       {2.8F, 0.4F, 3.6F, 0.4F},
                                       {3.6F, 0.4F, 3.6F, 1.4F},
                                       {3.6F, 1.4F, 2.8F, 1.4F},
                                       {2.8F, 1.4F, 2.8F, 0.4F}};
  static constexpr Stroke plus[] = {{0.6F, 3, 3.4F, 3}, {2, 1.6F, 2, 4.4F}};
  static constexpr Stroke minus[] = {{0.6F, 3, 3.4F, 3}};
  static constexpr Stroke letter_m[] = {{0, 0, 0, 4},       {0, 3.2F, 0.8F, 4}, {0.8F, 4, 1.4F, 4},
                                        {1.4F, 4, 2, 3.2F}, {2, 3.2F, 2, 0},    {2, 3.2F, 2.8F, 4},
                                        {2.8F, 4, 3.4F, 4}, {3.4F, 4, 4, 3.2F}, {4, 3.2F, 4, 0}};
  static constexpr Stroke letter_s[] = {
      {3.4F, 3.6F, 2.8F, 4},    {2.8F, 4, 1.2F, 4},       {1.2F, 4, 0.6F, 3.2F},
      {0.6F, 3.2F, 1.2F, 2.3F}, {1.2F, 2.3F, 2.8F, 1.8F}, {2.8F, 1.8F, 3.4F, 0.9F},
      {3.4F, 0.9F, 2.8F, 0},    {2.8F, 0, 1.2F, 0},       {1.2F, 0, 0.6F, 0.4F}};
  switch (c) {
    case '0':
      return zero;
    case '1':
      return one;
    case '2':
      return two;
    case '3':
      return three;
    case '4':
      return four;
    case '5':
      return five;
    case '6':
      return six;
    case '7':
      return seven;
    case '8':
      return eight;
    case '9':
      return nine;
    case '.':
      return dot;
    case ':':
      return colon;
    case '%':
      return percent;
    case '+':
      return plus;
    case '-':
      return minus;
    case 'm':
      return letter_m;
    case 's':
      return letter_s;
    default:
      return {};
  }
}

void put32(std::string& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
}

// PNG s5.3: length, type, data, CRC of type and data.
void put_chunk(std::string& out, std::string_view type, std::string_view data) {
  put32(out, static_cast<std::uint32_t>(data.size()));
  const std::size_t begin = out.size();
  out += type;
  out += data;
  const auto* octets = reinterpret_cast<const Bytef*>(out.data() + begin);
  put32(out, static_cast<std::uint32_t>(crc32(0, octets, static_cast<uInt>(out.size() - begin))));
}

}  // namespace

Canvas::Canvas(int width, int height, Colour ground)
    : width_(std::clamp(width, 1, kSideMax)), height_(std::clamp(height, 1, kSideMax)) {
  const auto count = static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_);
  pixels_.reserve(count * 3);
  for (std::size_t i = 0; i < count; ++i) {
    pixels_.insert(pixels_.end(), {ground.red, ground.green, ground.blue});
  }
}

Colour Canvas::at(int x, int y) const {
  if (x < 0 || y < 0 || x >= width_ || y >= height_) return {};
  const std::size_t i = 3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) +
                             static_cast<std::size_t>(x));
  return {pixels_[i], pixels_[i + 1], pixels_[i + 2]};
}

void Canvas::blend(int x, int y, Colour colour, double cover) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_ || !(cover > 0)) return;
  const double part = std::min(cover, 1.0);
  const std::size_t i = 3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(width_) +
                             static_cast<std::size_t>(x));
  const auto mix = [part](std::uint8_t under, std::uint8_t over) {
    return static_cast<std::uint8_t>(std::lround(under + part * (over - under)));
  };
  pixels_[i] = mix(pixels_[i], colour.red);
  pixels_[i + 1] = mix(pixels_[i + 1], colour.green);
  pixels_[i + 2] = mix(pixels_[i + 2], colour.blue);
}

void Canvas::fill(Point corner, Point opposite, Colour colour, double cover) {
  const auto edge = [](double value, int limit) {
    return static_cast<int>(std::lround(std::clamp(value, 0.0, static_cast<double>(limit))));
  };
  const int left = edge(std::min(corner.x, opposite.x), width_);
  const int right = edge(std::max(corner.x, opposite.x), width_);
  const int top = edge(std::min(corner.y, opposite.y), height_);
  const int bottom = edge(std::max(corner.y, opposite.y), height_);
  for (int y = top; y < bottom; ++y) {
    for (int x = left; x < right; ++x) blend(x, y, colour, cover);
  }
}

// A pixel is covered as far as its middle is inside the stroke, half a pixel to and fro.
void Canvas::line(Point from, Point to, double thickness, Colour colour) {
  const double half = thickness / 2;
  const double reach = half + 1;
  const auto bound = [](double value, int limit) {
    return static_cast<int>(std::clamp(value, 0.0, static_cast<double>(limit)));
  };
  const double length_x = to.x - from.x;
  const double length_y = to.y - from.y;
  const double squared = length_x * length_x + length_y * length_y;
  const int bottom = bound(std::ceil(std::max(from.y, to.y) + reach), height_);
  const int right = bound(std::ceil(std::max(from.x, to.x) + reach), width_);
  for (int y = bound(std::floor(std::min(from.y, to.y) - reach), height_); y < bottom; ++y) {
    for (int x = bound(std::floor(std::min(from.x, to.x) - reach), width_); x < right; ++x) {
      const double px = x + 0.5 - from.x;
      const double py = y + 0.5 - from.y;
      const double along =
          squared > 0 ? std::clamp((px * length_x + py * length_y) / squared, 0.0, 1.0) : 0.0;
      const double away = std::hypot(px - along * length_x, py - along * length_y);
      blend(x, y, colour, half + 0.5 - away);
    }
  }
}

void Canvas::dashed(Point from, Point to, double thickness, double dash, Colour colour) {
  const double length = std::hypot(to.x - from.x, to.y - from.y);
  if (!(length > 0) || !(dash > 0)) return;
  const auto point = [&](double at) {
    const double part = std::min(1.0, at / length);
    return Point{from.x + part * (to.x - from.x), from.y + part * (to.y - from.y)};
  };
  for (double at = 0; at < length; at += 2 * dash) {
    line(point(at), point(at + dash), thickness, colour);
  }
}

void Canvas::text(Point at, double height, std::string_view text, Colour colour) {
  const double scale = height / kGridHeight;
  for (const char c : text) {
    for (const Stroke& stroke : strokes_of(c)) {
      line({at.x + stroke.x0 * scale, at.y - stroke.y0 * scale},
           {at.x + stroke.x1 * scale, at.y - stroke.y1 * scale}, std::max(1.6, height / 8), colour);
    }
    at.x += kAdvance * scale;
  }
}

double Canvas::text_width(double height, std::string_view text) {
  return static_cast<double>(text.size()) * kAdvance * height / kGridHeight;
}

std::string Canvas::png() const {
  constexpr std::string_view kSignature = "\x89PNG\r\n\x1a\n";
  const std::size_t stride = static_cast<std::size_t>(width_) * 3;
  // Each row as the difference to the row above (filter "Up", PNG s9.2): charts are tall areas.
  std::vector<std::uint8_t> rows;
  rows.reserve((stride + 1) * static_cast<std::size_t>(height_));
  for (std::size_t y = 0; y < static_cast<std::size_t>(height_); ++y) {
    rows.push_back(2);
    for (std::size_t i = 0; i < stride; ++i) {
      const std::uint8_t above = y == 0 ? 0 : pixels_[(y - 1) * stride + i];
      rows.push_back(static_cast<std::uint8_t>(pixels_[y * stride + i] - above));
    }
  }
  uLongf packed_size = compressBound(static_cast<uLong>(rows.size()));
  std::string packed(packed_size, '\0');
  if (compress2(reinterpret_cast<Bytef*>(packed.data()), &packed_size, rows.data(),
                static_cast<uLong>(rows.size()), Z_BEST_COMPRESSION) != Z_OK) {
    return "";
  }
  packed.resize(packed_size);
  std::string header;
  put32(header, static_cast<std::uint32_t>(width_));
  put32(header, static_cast<std::uint32_t>(height_));
  header += std::string("\x08\x02\x00\x00\x00", 5);  // 8 bits, RGB, no interlace
  std::string out(kSignature);
  put_chunk(out, "IHDR", header);
  put_chunk(out, "IDAT", packed);
  put_chunk(out, "IEND", "");
  return out;
}

}  // namespace linkpilot::collector
