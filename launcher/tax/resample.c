/* SPDX-License-Identifier: MIT */
/* resample.c - see resample.h. */
#include "launcher/tax/resample.h"

#include <math.h>
#include <stdbool.h>

#define LAGS 200u /* of the autocorrelation, at most */

/* Means of the series' blocks about their own mean; returns the variance. */
static double centre(const struct series *s, double *x)
{
    double mean = 0, variance = 0;
    for (size_t i = 0; i < s->n; i++) {
        x[i] = (double)s->blocks[i].t_us / s->blocks[i].steps;
        mean += x[i] / (double)s->n;
    }
    for (size_t i = 0; i < s->n; i++) {
        x[i] -= mean;
        variance += x[i] * x[i] / (double)s->n;
    }
    return variance;
}

static double covariance(const double *x, size_t n, size_t lag)
{
    double sum = 0;
    for (size_t i = lag; i < n; i++)
        sum += x[i] * x[i - lag];
    return sum / (double)n;
}

/* The lag after which the autocorrelation is nothing but noise, K lags long. */
static size_t memory(const double *x, size_t n, double variance, double *covariances,
                     size_t lags)
{
    double noise = 2 * sqrt(log10((double)n) / (double)n);
    size_t quiet = 0, wanted = 5;
    for (size_t lag = 1; lag <= lags; lag++) {
        covariances[lag] = covariance(x, n, lag);
        quiet = fabs(covariances[lag]) < noise * variance ? quiet + 1 : 0;
        if (quiet == wanted)
            return lag - wanted;
    }
    return lags;
}

size_t resample_length(const struct series *s)
{
    double x[SERIES_BLOCKS], covariances[LAGS + 1], variance, spectrum, slope = 0;
    size_t n = s->n, lags = n / 3 < LAGS ? n / 3 : LAGS, window;
    if (n < 8)
        return 1;
    double least = ceil(cbrt((double)n)), most = fmin(3 * sqrt((double)n), n / 4.0);
    if (!((variance = centre(s, x)) > 0))
        return (size_t)fmin(least, most);
    size_t known = memory(x, n, variance, covariances, lags);
    window = 2 * (known ? known : 1);
    window = window < lags ? window : lags;
    spectrum = variance;
    for (size_t lag = 1; lag <= window; lag++) {
        if (lag > known + 5)
            covariances[lag] = covariance(x, n, lag);
        double part = (double)lag / (double)window;
        double weight = part <= 0.5 ? 1 : 2 * (1 - part); /* flat top */
        spectrum += 2 * weight * covariances[lag];
        slope += 2 * weight * (double)lag * covariances[lag];
    }
    double length = spectrum > 0 ? cbrt(1.5 * pow(slope / spectrum, 2) * (double)n) : 0;
    return (size_t)fmax(1, fmin(fmax(length, least), most));
}

int resample_means(const struct series *s, struct random *r, double *ret, size_t n)
{
    double time[2 * SERIES_BLOCKS + 1], steps[2 * SERIES_BLOCKS + 1];
    size_t length = resample_length(s), blocks = s->n;
    if (blocks < 4)
        return -1;
    double sum = 0;
    time[0] = steps[0] = 0;
    for (size_t i = 0; i < 2 * blocks; i++) {
        time[i + 1] = time[i] + (double)s->blocks[i % blocks].t_us;
        steps[i + 1] = steps[i] + s->blocks[i % blocks].steps;
    }
    for (size_t i = 0; i < n; i++) {
        double t = 0, c = 0;
        for (size_t at = 0; at < blocks; at += length) {
            size_t take = blocks - at < length ? blocks - at : length;
            size_t from = random_below(r, (uint32_t)blocks);
            t += time[from + take] - time[from];
            c += steps[from + take] - steps[from];
        }
        ret[i] = t / c;
        sum += ret[i];
    }
    /* Blocks of length l have a spread too small by (n - l) / n: they know nothing of what
     * goes on for longer. */
    double stretch = sqrt((double)blocks / (double)(blocks - length));
    for (size_t i = 0; i < n; i++)
        ret[i] = (ret[i] - sum / (double)n) * stretch;
    return 0;
}
