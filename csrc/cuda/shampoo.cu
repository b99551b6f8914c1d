// shampoo: the statistics of a parameter, from time to time their inverse roots, and the direction of the step. A
// matrix (rows, cols): direction and g like it; statistics and roots (S,), two factors for every tile. A vector (n,):
// all (n,), without roots. A block of threads a tile; eight threads turn a pair of rows, so that a round of pairs is
// one pass.
#include "../common/shampoo.h"
#include "device.cuh"

constexpr int kPitch = kTile + 1;  // columns, too, lie in different banks
constexpr int kTeam = 8, kTeams = kMaxWarps * kWarp / kTeam;
static_assert(kTeams == kTile / 2, "all pairs of a round must have their team");
typedef real Square[kTile][kPitch];

// Over a team's threads; all lanes of the warp must take part.
CAP_INLINE real team_sum(real value) {
  for (int mask = kTeam / 2; mask > 0; mask /= 2) value += CAP_SHUFFLE_XOR(value, mask);
  return value;
}

// Turns the rows of B (n, n) and V (n, n) until those of B are orthogonal. `offs`: of every team; between two writes to
// it lie the barriers of the rounds.
static __device__ void make_orthogonal(Square& b, real* v, int n, real* offs) {
  const int players = players_of(n), team = threadIdx.x / kTeam, first = threadIdx.x % kTeam;
  for (int sweep = 0; sweep < kSweeps; ++sweep) {
    real most = 0;
    for (int round = 0; round < players - 1; ++round) {
      const Pair rows = team < players / 2 ? pair_of(round, team, players) : Pair{n, n};
      const int x = rows.p, y = rows.q, end = x < n && y < n ? n : 0;
      real xx = 0, yy = 0, xy = 0;
      for (int j = first; j < end; j += kTeam) {
        xx += b[x][j] * b[x][j];
        yy += b[y][j] * b[y][j];
        xy += b[x][j] * b[y][j];
      }
      xx = team_sum(xx);
      yy = team_sum(yy);
      xy = team_sum(xy);
      const Rotation<real> r = rotation_of(xx, yy, xy);
      most = r.off > most ? r.off : most;
      for (int j = first; j < end && r.sine != real(0); j += kTeam) {
        const real of_x = b[x][j], of_y = b[y][j], vx = v[x * n + j], vy = v[y * n + j];
        b[x][j] = r.cosine * of_x - r.sine * of_y;
        b[y][j] = r.sine * of_x + r.cosine * of_y;
        v[x * n + j] = r.cosine * vx - r.sine * vy;
        v[y * n + j] = r.sine * vx + r.cosine * vy;
      }
      __syncthreads();
    }
    if (first == 0) offs[team] = most;
    __syncthreads();
    for (int t = 0; t < kTeams; ++t) most = offs[t] > most ? offs[t] : most;
    if (most < Jacobi<real>::settled) return;
  }
}

// root (n, n) <- (A + epsilon)^(-1/4) of A (n, n), symmetric; NaN where A is not finite.
static __device__ void inverse_root(const real* a, int n, real epsilon, real* root, Square& work, real* offs) {
  real trace = 0;
  for (int i = 0; i < n; ++i) trace += a[i * n + i];
  const real scale = scale_of(trace);
  for (int e = threadIdx.x; e < n * n; e += blockDim.x) {
    const int i = e / n, j = e % n;
    work[i][j] = scale * a[e];
    root[e] = scale != scale ? scale : i == j ? real(1) : real(0);
  }
  __syncthreads();
  if (scale != scale) return;
  make_orthogonal(work, root, n, offs);
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    real along = 0, vv = 0;
    for (int j = 0; j < n; ++j) {
      along += work[i][j] * root[i * n + j];
      vv += root[i * n + j] * root[i * n + j];
    }
    const real factor = root_factor(trace * along, vv, epsilon);
    for (int j = 0; j < n; ++j) work[i][j] = factor * root[i * n + j];
  }
  __syncthreads();
  for (int e = threadIdx.x; e < n * n; e += blockDim.x) {
    const int i = e / n, j = e % n;
    real sum = 0;
    for (int k = 0; k < n; ++k) sum += work[k][i] * work[k][j];
    root[e] = sum;
  }
  __syncthreads();
}

// work <- a tile of `from`, rows `ld` apart.
static __device__ void load_tile(Square& work, const real* from, int64_t ld, const Tile& t) {
  for (int e = threadIdx.x; e < t.rows * t.cols; e += blockDim.x)
    work[e / t.cols][e % t.cols] = from[e / t.cols * ld + e % t.cols];
  __syncthreads();
}

// statistics of a tile += g g' and g' g, with g in `work`.
static __device__ void add_statistics(const Square& work, const Tile& t, real* statistics) {
  const int left = t.rows * t.rows, right = t.cols * t.cols;
  for (int e = threadIdx.x; e < left; e += blockDim.x) {
    const int i = e / t.rows, j = e % t.rows;
    real sum = 0;
    for (int k = 0; k < t.cols; ++k) sum += work[i][k] * work[j][k];
    statistics[e] += sum;
  }
  for (int e = threadIdx.x; e < right; e += blockDim.x) {
    const int i = e / t.cols, j = e % t.cols;
    real sum = 0;
    for (int k = 0; k < t.rows; ++k) sum += work[k][i] * work[k][j];
    statistics[left + e] += sum;
  }
  __syncthreads();
}

CAP_KERNEL(shampoo) {
  const Call& c = calls[call];
  const int64_t rows = c.operands[0].rows, cols = c.operands[0].cols;
  real* direction = place(m, c.operands[0]);
  real* statistics = place(m, c.operands[1]);
  real* roots = place(m, c.operands[2]);
  const real* g = place(m, c.operands[3]);
  const real epsilon = real(c.attributes.epsilon);
  __shared__ real work[kTile][kPitch];
  __shared__ real offs[kTeams];
  if (!is_active(m)) return;
  for (int64_t i = first_index(); !roots && i < cols; i += all_threads()) {
    statistics[i] += g[i] * g[i];
    direction[i] = g[i] / square_root(statistics[i] + epsilon);
  }
  for (int64_t number = blockIdx.x; roots && number < tile_count(rows, cols); number += gridDim.x) {
    const Tile t = tile_of(rows, cols, number);
    const int64_t at = t.row * cols + t.col;
    const int size = t.rows * t.cols, right = t.rows * t.rows;
    real *of_left = roots + t.offset, *of_right = of_left + right;
    load_tile(work, g + at, cols, t);
    add_statistics(work, t, statistics + t.offset);
    if (m->step % c.attributes.every == 0) {
      inverse_root(statistics + t.offset, t.rows, epsilon, of_left, work, offs);
      inverse_root(statistics + t.offset + right, t.cols, epsilon, of_right, work, offs);
      load_tile(work, g + at, cols, t);
    }
    for (int e = threadIdx.x; e < size; e += blockDim.x) {
      const int i = e / t.cols, j = e % t.cols;
      real sum = 0;
      for (int k = 0; k < t.rows; ++k) sum += of_left[i * t.rows + k] * work[k][j];
      direction[at + i * cols + j] = sum;
    }
    __syncthreads();
    load_tile(work, direction + at, cols, t);
    for (int e = threadIdx.x; e < size; e += blockDim.x) {
      const int i = e / t.cols, j = e % t.cols;
      real sum = 0;
      for (int k = 0; k < t.cols; ++k) sum += work[i][k] * of_right[k * t.cols + j];
      direction[at + i * cols + j] = sum;
    }
    __syncthreads();  // work is loaded again
  }
}
