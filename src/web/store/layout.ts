/** Arithmetic of the two big views: which rows are on the screen, how dense to draw, where an arrow key leads. Pure. */

export interface Slice {
  readonly first: number;
  /** Exclusive. */
  readonly end: number;
}

/** Rows drawn beyond each edge, so that a quick scroll shows no gap. */
const OVERSCAN = 6;

/** The rows of a list of `count` rows that a viewport shows. `top` is how far the list has been scrolled under its upper edge. */
export function visibleRows(count: number, rowHeight: number, top: number, viewport: number): Slice {
  const first = Math.max(0, Math.floor(top / rowHeight) - OVERSCAN);
  const end = Math.min(count, Math.ceil((Math.max(0, top) + viewport) / rowHeight) + OVERSCAN);
  return { first: Math.min(first, count), end: Math.max(end, Math.min(first, count)) };
}

export type Density = 'words' | 'glyphs' | 'map';

/** Sizes in CSS pixels; the styles read the same numbers from custom properties set on the grid. */
export interface MatrixSizes {
  readonly row: number;
  readonly name: number;
  readonly cell: number;
  readonly gap: number;
}

const MATRIX_SIZES: Readonly<Record<Density, MatrixSizes>> = {
  words: { row: 40, name: 220, cell: 96, gap: 0 },
  glyphs: { row: 24, name: 88, cell: 24, gap: 20 },
  map: { row: 12, name: 9, cell: 11, gap: 9 },
};

/** How to draw a matrix of this size when the operator has not chosen. A phone gets glyphs: words do not fit. */
export function chooseMatrixDensity(nodes: number, roles: number, width: number): Density {
  if (nodes <= 80 && width >= MATRIX_SIZES.words.name + roles * MATRIX_SIZES.words.cell) return 'words';
  return nodes <= 500 ? 'glyphs' : 'map';
}

export interface MatrixExtent {
  readonly roles: number;
  readonly nodes: number;
  /** Characters of the longest name that is drawn. */
  readonly nameLength: number;
}

/** Width of a character of a name, a little more than the mean. */
const CHARACTER = 7.8;

const clamp = (value: number, least: number, most: number): number => Math.round(Math.min(most, Math.max(least, value)));

/** The most a name is widened by room that is left over: more would part it from its cells. */
const NAME_EXTRA = 90;

/**
 * Sizes for a matrix of so many roles and nodes, and how many nodes stand side by side in one row: newspaper columns, so that
 * a wide screen is used by a long list.
 */
export function matrixLayout(density: Density, { roles, nodes, nameLength }: MatrixExtent, width: number): { sizes: MatrixSizes; perRow: number } {
  const sizes = { ...MATRIX_SIZES[density] };
  const nameWidth = 36 + nameLength * CHARACTER;
  if (density === 'words') return { sizes: { ...sizes, name: clamp(nameWidth + (width < 1000 ? 26 : 92), 132, width < 700 ? 150 : 320) }, perRow: 1 };
  if (density === 'glyphs') sizes.name = clamp(nameWidth, sizes.name, 190);
  const group = sizes.name + roles * sizes.cell + sizes.gap;
  const perRow = Math.max(1, Math.min(Math.floor((width + sizes.gap) / group), nodes));
  if (density === 'map') return { sizes, perRow };
  const left = Math.max(0, width + sizes.gap - perRow * group);
  return { sizes: { ...sizes, name: sizes.name + Math.min(NAME_EXTRA, Math.floor(left / perRow)) }, perRow };
}

export type TileSize = 'card' | 'chip' | 'dot';

export interface TileSizes {
  readonly width: number;
  readonly height: number;
}

export const TILE_SIZES: Readonly<Record<TileSize, TileSizes>> = {
  card: { width: 212, height: 112 },
  chip: { width: 118, height: 50 },
  dot: { width: 20, height: 20 },
};

export function chooseTileSize(nodes: number): TileSize {
  if (nodes <= 72) return 'card';
  return nodes <= 400 ? 'chip' : 'dot';
}

/** Two cards at least, even where they are narrow: a phone would show three nodes otherwise. */
export function tilesPerRow(size: TileSize, width: number): number {
  return Math.max(size === 'card' ? 2 : 1, Math.floor(width / TILE_SIZES[size].width));
}

export interface Place {
  readonly row: number;
  readonly column: number;
}

/** Where a key leads from a place in a grid of `count` items laid out in rows of `columns`; null when the key is none of ours. */
export function movePlace(key: string, ctrl: boolean, place: Place, rows: number, columns: number, page: number): Place | null {
  const at = (row: number, column: number): Place => ({
    row: Math.max(0, Math.min(rows - 1, row)),
    column: Math.max(0, Math.min(columns - 1, column)),
  });
  switch (key) {
    case 'ArrowUp':
      return at(place.row - 1, place.column);
    case 'ArrowDown':
      return at(place.row + 1, place.column);
    case 'ArrowLeft':
      return at(place.row, place.column - 1);
    case 'ArrowRight':
      return at(place.row, place.column + 1);
    case 'PageUp':
      return at(place.row - page, place.column);
    case 'PageDown':
      return at(place.row + page, place.column);
    case 'Home':
      return at(ctrl ? 0 : place.row, 0);
    case 'End':
      return at(ctrl ? rows - 1 : place.row, columns - 1);
    default:
      return null;
  }
}
