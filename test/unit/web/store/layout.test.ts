import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { chooseMatrixDensity, chooseTileSize, matrixLayout, movePlace, tilesPerRow, visibleRows } from '../../../../src/web/store/layout.js';

describe('visible rows', () => {
  it('holds every row that the viewport shows, and never more than a screen and its edges', () => {
    fc.assert(
      fc.property(fc.nat(5000), fc.integer({ min: 8, max: 120 }), fc.nat(200_000), fc.integer({ min: 1, max: 2000 }), (count, height, top, viewport) => {
        const { first, end } = visibleRows(count, height, top, viewport);
        expect(first).toBeGreaterThanOrEqual(0);
        expect(first).toBeLessThanOrEqual(end);
        expect(end).toBeLessThanOrEqual(Math.max(count, first));
        expect(end - first).toBeLessThanOrEqual(Math.ceil(viewport / height) + 14);
        const firstSeen = Math.floor(top / height);
        const lastSeen = Math.min(count, Math.ceil((top + viewport) / height));
        if (firstSeen < count) expect([first <= firstSeen, end >= lastSeen]).toEqual([true, true]);
      }),
    );
  });
});

describe('density', () => {
  it.each([
    [12, 6, 1440, 'words'],
    [12, 6, 390, 'glyphs'],
    [12, 30, 1440, 'glyphs'],
    [200, 6, 1440, 'glyphs'],
    [2000, 6, 1440, 'map'],
  ])('draws %i nodes x %i roles on %i pixels as %s', (nodes, roles, width, density) => {
    expect(chooseMatrixDensity(nodes, roles, width)).toBe(density);
  });

  it('never lays out wider than the screen when one group of nodes fits', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('glyphs' as const, 'map' as const),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 320, max: 3000 }),
        (density, roles, nodes, width) => {
          const { sizes, perRow } = matrixLayout(density, { roles, nodes, nameLength: 9 }, width);
          const used = perRow * (sizes.name + roles * sizes.cell) + (perRow - 1) * sizes.gap;
          expect(perRow).toBeGreaterThanOrEqual(1);
          if (perRow > 1) expect(used).toBeLessThanOrEqual(width);
        },
      ),
    );
  });

  it('shows at least two cards side by side on a phone', () => {
    expect(tilesPerRow('card', 320)).toBe(2);
    expect([chooseTileSize(12), chooseTileSize(200), chooseTileSize(2000)]).toEqual(['card', 'chip', 'dot']);
  });
});

describe('arrow keys', () => {
  it.each([
    ['ArrowUp', false, { row: 4, column: 2 }],
    ['ArrowDown', false, { row: 6, column: 2 }],
    ['ArrowLeft', false, { row: 5, column: 1 }],
    ['ArrowRight', false, { row: 5, column: 3 }],
    ['Home', false, { row: 5, column: 0 }],
    ['End', false, { row: 5, column: 3 }],
    ['Home', true, { row: 0, column: 0 }],
    ['End', true, { row: 9, column: 3 }],
    ['PageDown', false, { row: 9, column: 2 }],
    ['PageUp', false, { row: 0, column: 2 }],
  ])('%s (ctrl %s) leads to %j', (key, ctrl, place) => {
    expect(movePlace(key, ctrl, { row: 5, column: 2 }, 10, 4, 7)).toEqual(place);
  });

  it('leaves other keys to the browser', () => {
    expect(movePlace('Tab', false, { row: 0, column: 0 }, 10, 4, 7)).toBeNull();
  });

  it('never leaves the grid', () => {
    for (const key of ['ArrowUp', 'ArrowLeft', 'PageUp', 'Home']) expect(movePlace(key, false, { row: 0, column: 0 }, 1, 1, 5)).toEqual({ row: 0, column: 0 });
  });
});
